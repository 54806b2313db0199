"""Layers, optimisers and the like by Keras' names, checked against the bundled list and brought into one form.

What has a name and arguments, a *named thing* here, is written as in a recipe: ``Flatten``, ``{Dense: {units: 64}}``,
or ``{Dropout: 0.3}``, where the value is the first argument. Resolved it is ``[name, {arguments}]`` with Keras' own
name. Imports no library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from rapidml.models.adapter import Complaint
from rapidml.models.parameters import Kind, Parameter, find_value, read_list
from rapidml.recipe.ranges import VALUE
from rapidml.recipe.scalars import write_scalar
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Path = tuple[str | int, ...]

ACTIVATION, NAMED = "activation", "named"
"""Forms of the bundled list beside those of ``parameters``: the name of an activation; another named thing."""
MOST_SHOWN = 12
"""Names that a sentence lists; of more it lists the usual ones."""
USUAL = (
    *("Dense", "Conv2D", "MaxPooling2D", "GlobalAveragePooling2D", "Flatten", "Dropout", "BatchNormalization"),
    *("relu", "tanh", "sigmoid", "elu", "gelu", "selu", "silu", "softmax", "softplus", "adam"),
)

NOT_SET = {
    "activity_regularizer": "remove it, or write kernel_regularizer",
    "batch_size": "remove it, and write params.batch_size",
    "data_format": "remove it; the channels of arrays come last",
    "dtype": "remove it",
    "input_dim": "remove it; the input follows from the features",
    "input_shape": "remove it; the input follows from the features",
    "learning_rate": "remove it, and write params.learning_rate",
    "name": "remove it",
    "noise_shape": "remove it",
    "seed": "remove it; random numbers come from the recipe's seed",
    "trainable": "remove it",
}
"""Arguments of the library that rapidml sets itself, or not at all, with what to do instead."""

_ONE_INPUT = "remove it; the output of each layer is the input of the next"
_PREPARE = "remove it, and write prepare: [{}] in the model"
NOT_OFFERED = {
    "Input": "remove it; the input follows from the features",
    "InputLayer": "remove it; the input follows from the features",
    "Lambda": "remove it; a recipe holds no code",
    "Normalization": _PREPARE.format("standardize"),
    "CategoryEncoding": _PREPARE.format("one_hot"),
    "StringLookup": _PREPARE.format("one_hot"),
    "IntegerLookup": _PREPARE.format("one_hot"),
    **dict.fromkeys(("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"), _ONE_INPUT),
}
"""Layers of the library that recipes cannot have, with what to do instead."""


@dataclass(frozen=True)
class Argument:
    """One argument of a named thing.

    Attributes:
        parameter: Its name, and the plain values that it takes.
        group: Group of the named things that it takes; None if it takes plain values only.
    """

    parameter: Parameter
    group: str | None = None

    def describe(self) -> str:
        """What it takes, in words."""
        if self.group is None:
            return describe_parameter(self.parameter)
        plain = f", or {describe_parameter(self.parameter)}" if self.parameter.kinds else ""
        return f"the name of {_with_article(self.group)} or one {{NAME: {{arguments}}}}{plain}"


@dataclass(frozen=True)
class Item:
    """One named thing.

    Attributes:
        name: Canonical name.
        arguments: Arguments by name.
        first: Argument that a bare value means; None if there is none.
        required: Arguments that have no default.
        aliases: Other names that the library knows it by.
        refused: Arguments of the library that recipes cannot set, with what to do instead.
    """

    name: str
    arguments: Mapping[str, Argument]
    first: str | None = None
    required: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Named things of one sort.

    Attributes:
        word: What one of them is called, such as ``layer``.
        items: Them by canonical name.
        inner: What its arguments are called.
        meant: Names of arguments elsewhere, and those meant by them.
    """

    word: str
    items: Mapping[str, Item]
    inner: str = "argument"
    meant: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, word: str, tree: Mapping[str, Any], activations: Sequence[str] = ()) -> Group:
        """The group from its part of a bundled list; see ``make_keras_list``."""
        items = {}
        for name, entry in tree.items():
            arguments = {
                argument: _read_argument(argument, kinds, activations)
                for argument, kinds in entry.get("arguments", {}).items()
            }
            required, aliases = (tuple(entry.get(what, ())) for what in ("required", "aliases"))
            refused = {argument: NOT_SET.get(argument, "remove it") for argument in entry.get("refused", ())}
            items[name] = Item(name, arguments, entry.get("first"), required, aliases, refused)
        return cls(word, items)

    def find(self, name: str) -> Item | None:
        """The thing of a name or alias."""
        found = self.items.get(name)
        return found or next((item for item in self.items.values() if name in item.aliases), None)

    def check(self, path: Path, value: Any) -> Iterator[Complaint]:
        """Everything that is wrong with a named thing as a recipe writes it.

        Args:
            path: Where it stands.
            value: A name, or one name with its arguments or its first one.
        """
        if isinstance(value, str):
            yield from self.check_arguments(path, value, {})
        elif isinstance(value, dict) and len(value) == 1:
            ((name, options),) = value.items()
            yield from self.check_arguments(path, name, _expand(options), is_key=True)
        else:
            names = _list_names(list(self.items))
            expected = f"the name of {_with_article(self.word)}, or one {{NAME: {{{self.inner}s}}}}: {names}"
            yield Complaint(path, expected, f"write for example  {path[-1]}: {_sort(self.items)[0]}")

    def check_arguments(
        self, path: Path, name: str, options: Mapping[str, Any], *, is_key: bool = False
    ) -> Iterator[Complaint]:
        """Everything that is wrong with a name and its arguments.

        Args:
            path: Where the thing stands.
            name: Its name as written.
            options: Its arguments; ``{"value": x}`` is a bare value.
            is_key: Whether the name was written as the key of its arguments.
        """
        item = self.find(name)
        here = (*path, name) if is_key or options else path
        if item is None:
            yield self._describe_unknown(here, name, is_key=here != path)
            return
        if set(options) == {VALUE} and VALUE not in item.arguments:
            yield from self._check_first(here, item, options[VALUE])
            return
        for option, value in options.items():
            if option in item.arguments:
                yield from _check_value((*here, option), item.arguments[option], value)
            else:
                yield self._describe_unknown_argument((*here, option), item, option)
        meant = {self._find_meant(item, option) for option in options}
        for option in item.required:
            if option not in options and option not in meant:
                yield _describe_missing(here, name, item, option)

    def resolve(self, value: Any) -> list[Any]:
        """A checked thing as ``[name, {arguments}]``, with canonical names."""
        if isinstance(value, str):
            return self.resolve_arguments(value, {})
        ((name, options),) = value.items()
        return self.resolve_arguments(name, _expand(options))

    def resolve_arguments(self, name: str, options: Mapping[str, Any]) -> list[Any]:
        """A checked name with its arguments as ``[name, {arguments}]``, with canonical names.

        Raises:
            ValueError: The name is not known: it was not checked.
        """
        item = self.find(name)
        if item is None:
            raise ValueError(f"{self.word} '{name}' was not checked")
        if set(options) == {VALUE} and VALUE not in item.arguments and item.first is not None:
            options = {item.first: options[VALUE]}
        return [item.name, {option: _resolve_value(item.arguments[option], value) for option, value in options.items()}]

    def _check_first(self, path: Path, item: Item, value: Any) -> Iterator[Complaint]:
        if item.first is None:
            named = f"its {self.inner}s by name: {', '.join(item.arguments)}"
            what = named if item.arguments else f"no value; {item.name} has no {self.inner}s"
            yield Complaint(path, what, f"write  {item.name}")
        else:
            yield from _check_value(path, item.arguments[item.first], value)
            for option in item.required:
                if option != item.first:
                    yield _describe_missing(path, item.name, item, option)

    def _describe_unknown(self, path: Path, name: str, *, is_key: bool) -> Complaint:
        known = _list_names(list(self.items))
        if self.word == "layer" and name in NOT_OFFERED:
            return Complaint(path, "a layer that recipes can have", NOT_OFFERED[name], on_key=is_key)
        called, bracket, _ = name.partition("(")
        item = self.find(called.strip())
        if bracket and item is not None:
            fix = f"write  {_write_example(item)}"
        else:
            names = [*self.items, *(alias for item in self.items.values() for alias in item.aliases)]
            close = suggest(name, names)
            fix = f"write '{close}'" if close else "write one of these"
        return Complaint(path, f"{_with_article(self.word)}: {known}", fix, on_key=is_key)

    def _find_meant(self, item: Item, option: str) -> str | None:
        """The argument that was probably meant by a name that is none."""
        meant = self.meant.get(option, option)
        close = meant if meant in item.arguments else suggest(option, [*item.arguments, *item.refused])
        return close if close in item.arguments else None

    def _describe_unknown_argument(self, path: Path, item: Item, option: str) -> Complaint:
        if option in item.refused:
            expected = f"{_with_article(self.inner)} of {item.name} that recipes can set"
            return Complaint(path, expected, item.refused[option], on_key=True)
        if not item.arguments:
            return Complaint(path, f"no {self.inner}s; {item.name} has none", "remove it", on_key=True)
        close = self._find_meant(item, option)
        fix = f"write '{close}'" if close is not None else "remove it, or write one of these names"
        expected = f"{_with_article(self.inner)} of {item.name}: {', '.join(item.arguments)}"
        return Complaint(path, expected, fix, on_key=True)


@cache
def find_group(word: str) -> Group:
    """A group of the bundled list: ``layer``, ``initializer``, ``regularizer``, ``constraint`` or ``optimizer``."""
    tree = read_list("keras")
    return Group.from_json(word, tree["groups"][word], tree["activations"])


def describe_parameter(parameter: Parameter) -> str:
    """What a parameter takes, in words; of many choices the usual ones."""
    words = [
        f"one of {_list_names(list(kind.choices))}" if len(kind.choices) > MOST_SHOWN else kind.describe()
        for kind in parameter.kinds
    ]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def list_activations() -> tuple[str, ...]:
    """Names of activations."""
    return tuple(read_list("keras")["activations"])


def check_layers(path: Path, layers: Any) -> Iterator[Complaint]:
    """Everything that is wrong with ``layers`` as they are among parameters.

    Args:
        path: Where they stand.
        layers: ``[[name, {arguments}], ...]``, as written.
    """
    group = find_group("layer")
    for index, (name, options) in enumerate(layers):
        yield from group.check_arguments((*path, index), name, options)


def resolve_layers(layers: Any) -> list[list[Any]]:
    """Checked layers in one form, with canonical names."""
    group = find_group("layer")
    return [group.resolve_arguments(name, options) for name, options in layers]


def _read_argument(name: str, kinds: Sequence[Mapping[str, Any]], activations: Sequence[str]) -> Argument:
    group = next((kind["group"] for kind in kinds if kind["form"] == NAMED), None)
    plain = [
        Kind("choice", choices=tuple(activations))
        if kind["form"] == ACTIVATION
        else Kind(**{**kind, "choices": tuple(kind.get("choices", ()))})
        for kind in kinds
        if kind["form"] != NAMED
    ]
    return Argument(Parameter(name, tuple(plain)), group)


def _expand(options: Any) -> Mapping[str, Any]:
    if options is None:
        return {}
    return options if isinstance(options, dict) else {VALUE: options}


def _check_value(path: Path, argument: Argument, value: Any) -> Iterator[Complaint]:
    if argument.parameter.accepts(value):
        return
    if argument.group is not None and (isinstance(value, str) or (isinstance(value, dict) and len(value) == 1)):
        yield from find_group(argument.group).check(path, value)
        return
    example = f"write for example  {argument.parameter.name}: {_find_example(argument)}"
    yield Complaint(path, argument.describe(), find_value(argument.parameter, value) or example)


def _resolve_value(argument: Argument, value: Any) -> Any:
    if argument.group is None or argument.parameter.accepts(value):
        return argument.parameter.convert(value)
    return find_group(argument.group).resolve(value)


def _describe_missing(path: Path, name: str, item: Item, option: str) -> Complaint:
    expected = f"{option}, which {item.name} has no default for: {item.arguments[option].describe()}"
    return Complaint(path, expected, f"write for example  {_write_example(item, name)}")


def _write_example(item: Item, name: str | None = None) -> str:
    """The thing as one would write it, such as ``{Dense: {units: 64}}``."""
    names = item.required or ((item.first,) if item.first else ())
    if not names:
        return name or item.name
    inner = ", ".join(f"{option}: {_find_example(item.arguments[option])}" for option in names)
    return f"{{{name or item.name}: {{{inner}}}}}"


def _find_example(argument: Argument) -> str:
    """A value that an argument takes, as one would write it."""
    if argument.group is not None:
        return next(iter(find_group(argument.group).items))
    wide = (64,) if argument.parameter.name in ("units", "filters") else ()
    choices = [choice for kind in argument.parameter.kinds for choice in kind.choices]
    for value in (*wide, "relu", 3, 0.5, 1.0, True, *choices, [2], [2, 2], [2, 2, 2]):
        if argument.parameter.accepts(value):
            return f"[{', '.join(map(write_scalar, value))}]" if isinstance(value, list) else write_scalar(value)
    raise ValueError(f"no value is known for {argument.parameter.name}")


def _with_article(word: str) -> str:
    return f"an {word}" if word[0] in "aeio" else f"a {word}"


def _sort(names: Iterable[str]) -> list[str]:
    """The usual names first."""
    return sorted(names, key=lambda name: USUAL.index(name) if name in USUAL else len(USUAL))


def _list_names(names: Sequence[str]) -> str:
    if len(names) <= MOST_SHOWN:
        return ", ".join(names)
    shown = [name for name in _sort(names) if name in USUAL] or names[:MOST_SHOWN]
    return f"{', '.join(shown)} or {len(names) - len(shown)} others"
