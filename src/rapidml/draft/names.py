"""What names of columns, trees and files suggest. Only names are looked at; values are judged elsewhere."""

from __future__ import annotations

import re

SIGNAL = {"s", "sig", "signal", "signals"}
BACKGROUND = {"b", "bg", "bkg", "bgd", "bkgd", "background", "backgrounds"}
TEST = {"test", "testing"}
TRAIN = {"train", "training"}
POSITIVE = {
    "s", "sig", "signal", "1", "yes", "y", "true", "t", "positive", "pos", "malignant", "bad", "fraud", "spam",
    "churned", "case", "sick", "disease",
}  # fmt: skip
"""Labels of the class that one looks for."""
_TARGETS = {
    "target", "label", "labels", "class", "y", "truth", "issignal", "signal", "sig", "outcome", "response", "survived",
    "survival", "churn", "churned", "default", "diagnosis", "species", "fraud", "isfraud", "died", "death", "clicked",
    "digit", "quality", "spam", "isspam", "classlabel", "targetclass", "eventtype", "process",
}  # fmt: skip
_TARGET_WORDS = {"target", "label", "class", "truth", "survived", "outcome", "churn", "fraud", "diagnosis"}
_QUANTITIES = {"price", "value", "cost", "sales", "revenue", "salary", "medv", "strength", "consumption"}
_WEIGHTS = {
    "weight", "weights", "w", "wgt", "sampleweight", "eventweight", "evtweight", "genweight", "mcweight", "totalweight",
    "mceventweight", "weightnominal", "nominalweight",
}  # fmt: skip
_BODY = {"height", "bmi", "height cm", "waist", "gender", "sex"}
_RUN = {"run", "runnumber", "runno"}
_LUMI = {"lumi", "lumiblock", "luminosityblock", "lumisection", "ls"}
_EVENT = {"event", "eventnumber", "evt", "eventid", "evtnum", "eventno"}
_ORIGIN = {
    "source", "sample", "file", "filename", "dataset", "split", "fold", "set", "subset", "partition", "origin",
}  # fmt: skip
_INDEX = {"index", "row", "rowid", "rownumber", "unnamed0", ""}


def list_words(name: str) -> list[str]:
    """Words of a name, in lower case: ``is_signal``, ``isSignal`` and ``IsSignal`` are ``is`` and ``signal``."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def squeeze(name: str) -> str:
    """A name in lower case without anything but letters and digits."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def rate_target(name: str) -> int:
    """How much a name is that of a target: 100 if it says so, 60 if a word does, 40 for a quantity, else 0."""
    words = list_words(name)
    if squeeze(name) in _TARGETS:
        return 100
    if _TARGET_WORDS & set(words):
        return 60
    return 40 if words and words[-1] in _QUANTITIES else 0


def rate_weight(name: str) -> int:
    """How much a name is that of a weight: 100, 60 or 0."""
    if squeeze(name) in _WEIGHTS:
        return 100 if squeeze(name) != "w" else 80
    return 60 if {"weight", "weights", "wgt"} & set(list_words(name)) or squeeze(name).endswith("weight") else 0


def is_about_bodies(names: list[str]) -> bool:
    """Whether a column called weight is rather that of a body, by the columns beside it."""
    return bool(_BODY & {squeeze(name) for name in names})


def is_origin(name: str) -> bool:
    """Whether a name tells where a row comes from: a file, a sample, a part of a split."""
    words = list_words(name)
    return squeeze(name) in _ORIGIN or (len(words) > 1 and words[-1] in {"set", "split", "fold", "filename"})


def is_index(name: str) -> bool:
    """Whether a name is that of a row number."""
    return squeeze(name) in _INDEX


def is_id(name: str) -> bool:
    """Whether a name ends in id: ``id``, ``PassengerId``, ``event_id``, ``uuid``."""
    words = list_words(name)
    return bool(words) and (words[-1] in ("id", "uuid", "guid") or squeeze(name) in ("eventnumber", "evtnum"))


def find_event_columns(names: list[str]) -> list[str]:
    """Run, luminosity block and event number, as far as there are columns of these names; empty without the last."""
    found = []
    for group in (_RUN, _LUMI, _EVENT):
        found += [name for name in names if squeeze(name) in group][:1]
    return found if any(squeeze(name) in _EVENT for name in found) else []


def is_number_of_events(name: str) -> bool:
    """Whether a name is that of a run, a luminosity block or an event number."""
    return squeeze(name) in _RUN | _LUMI | _EVENT


def find_role(name: str) -> str | None:
    """``signal``, ``background``, ``train`` or ``test`` if a file or tree is called so; None if not."""
    words = set(list_words(name.replace("t10k", "test")))  # the test images of MNIST
    for role, known in (("signal", SIGNAL), ("background", BACKGROUND), ("train", TRAIN), ("test", TEST)):
        if words & known:
            return role
    return None
