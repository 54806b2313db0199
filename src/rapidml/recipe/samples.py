"""The files that a dataset names, read off the plain tree, which may be wrong in every way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rapidml.recipe.fields import Path

SOURCES = ("path", "classes", "builtin", "arrays")
"""Fields of a dataset of which it has exactly one."""


def list_path_texts(dataset: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Every file path of a dataset as written, with its path in the recipe."""
    yield from _list_texts(("dataset", "path"), dataset.get("path"))
    classes = dataset.get("classes")
    for name, samples in classes.items() if isinstance(classes, dict) else ():
        if isinstance(samples, list):
            for index, sample in enumerate(samples):
                yield from _list_sample_texts(("dataset", "classes", name, index), sample)
        else:
            yield from _list_sample_texts(("dataset", "classes", name), samples)
    yield from _list_sample_texts(("dataset", "test"), dataset.get("test"))


def _list_sample_texts(path: Path, sample: Any) -> Iterator[tuple[Path, str]]:
    if isinstance(sample, dict):
        yield from _list_texts((*path, "path"), sample.get("path"))
    else:
        yield from _list_texts(path, sample)


def _list_texts(path: Path, value: Any) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name in ("features", "target"):
            if isinstance(value.get(name), str):
                yield (*path, name), value[name]
