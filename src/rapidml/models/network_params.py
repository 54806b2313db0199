"""Parameters of networks: what recipes may write, the same decided in full, and the plan of a network made of it.

Imports no library and no numpy: it runs in every command. Names and arguments of layers, optimisers and the like are
checked by ``layer_checking``, against a bundled list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from rapidml.models.adapter import Complaint
from rapidml.models.layer_checking import (
    Group,
    check_layers,
    describe_parameter,
    find_group,
    list_activations,
    resolve_layers,
)
from rapidml.models.parameters import Kind, Parameter, ParameterList, find_value
from rapidml.recipe.scalars import write_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rapidml.recipe.schema import ModelEntry

NETWORKS = ("mlp", "keras")
"""Model types that are networks: they may have a trainer."""
LAYERS = "layers"
"""Name under which a recipe's ``layers`` are among the parameters of ``keras``: ``[[name, {options}], ...]``."""
EPOCHS = "epochs"
"""The parameter that counts rounds; it is always among resolved parameters."""
GROUPED = ("optimizer", "schedule")
"""Parameters that are a name with options."""
CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")
MOST_WIDTH = 65_536

NetworkKind = Literal["mlp", "keras"]

DEFAULTS: Mapping[str, Any] = {
    "hidden": [128, 128],
    "activation": "relu",
    "dropout": 0.0,
    "batch_norm": False,
    EPOCHS: 20,
    "batch_size": 128,
    "learning_rate": 0.001,
    "optimizer": ["adam", {}],
    "schedule": ["constant", {}],
}
"""Part of the format of keys: a parameter that equals its default is in no key, but for the epochs."""
OF_MLP = ("hidden", "activation", "dropout", "batch_norm")
"""Parameters that describe the layers of ``mlp``."""
SCHEDULES: Mapping[str, Any] = {
    "constant": {},
    "cosine": {},
    "exponential": {
        "first": "rate",
        "required": ["rate"],
        "arguments": {"rate": [{"form": "number", "low": 0, "high": 1, "closed": "right"}]},
    },
}
OTHER_WORDS = {
    "batch_normalization": "batch_norm",
    "batchsize": "batch_size",
    "decay": "schedule",
    "hidden_layer_sizes": "hidden",
    "hidden_layers": "hidden",
    "hidden_units": "hidden",
    "learning_rate_init": "learning_rate",
    "learning_rate_schedule": "schedule",
    "lr": "learning_rate",
    "lr_schedule": "schedule",
    "max_epochs": EPOCHS,
    "max_iter": EPOCHS,
    "n_epochs": EPOCHS,
    "num_epochs": EPOCHS,
    "nb_epoch": EPOCHS,
    "solver": "optimizer",
    "units": "hidden",
    "worker_optimizer": "optimizer",
}
"""Names elsewhere, and ours."""
REFUSED = {
    "callbacks": "remove it",
    "class_weight": "remove it; training.balance weights classes",
    "communication_window": "remove it, and write window in the options of trainer",
    "loss": "remove it; the loss follows from the task",
    "metrics": "remove it, and write evaluate.also",
    "num_workers": "remove it, and write replicas in the options of trainer",
    "patience": "remove it, and write early_stopping in the model",
    "early_stopping": "move it out of params, into the model",
    "random_state": "remove it; random numbers come from the recipe's seed",
    "seed": "remove it; random numbers come from the recipe's seed",
    "shuffle": "remove it; every epoch has an order of its own",
    "trainer": "move it out of params, into the model",
    "validation_split": "remove it; early_stopping watches rows of its own",
    "verbose": "remove it",
}


@dataclass(frozen=True)
class NetworkPlan:
    """A network and its training with everything decided, but for what depends on the rows.

    Attributes:
        layers: Hidden layers by Keras' names and arguments, without input and output. An argument that is an
            initializer, regularizer or constraint is ``[class name, {arguments}]``.
        epochs: Passes over the training rows.
        batch_size: Rows of a step, of each replica.
        learning_rate: Of the optimiser, at the start.
        optimizer: Lower-case name of Keras' class (``adam``), and arguments but for the learning rate.
        schedule: ``constant``; ``cosine``, down towards 0 after the last epoch; or ``exponential`` with ``rate``, by
            which the learning rate is multiplied each epoch.
    """

    layers: tuple[tuple[str, Mapping[str, Any]], ...]
    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 0.001
    optimizer: tuple[str, Mapping[str, Any]] = field(default_factory=lambda: ("adam", {}))
    schedule: tuple[str, Mapping[str, Any]] = field(default_factory=lambda: ("constant", {}))

    @property
    def depends_on_epochs(self) -> bool:
        """Whether a shorter fit is no prefix of a longer one."""
        return self.schedule[0] == "cosine"


def merge_layers(entry: ModelEntry) -> dict[str, Any]:
    """Parameters of a model as its adapter takes them: those of ``keras`` with the layers among them."""
    if entry.type != "keras":
        return dict(entry.params)
    return {**entry.params, LAYERS: [[layer.name, dict(layer.options)] for layer in entry.layers]}


def check_params(kind: NetworkKind, params: Mapping[str, Any], task_kind: str | None) -> Iterator[Complaint]:  # noqa: ARG001
    """Everything that is wrong with the parameters of a network; paths of layers begin with ``layers``.

    Args:
        kind: Type of the model.
        params: Parameters as written, for ``keras`` with the layers; absent layers are no mistake here.
        task_kind: ``binary``, ``multiclass`` or ``regression``; None while unknown. All have the same parameters.
    """
    listed = list_parameters(kind)
    for name, value in params.items():
        if kind == "keras" and name == LAYERS:
            yield from check_layers((LAYERS,), value)
        elif name in GROUPED:
            yield from find_group_of(name).check((name,), value)
            yield from _check_clips(name, value)
        elif name in listed.parameters:
            yield from _check_value(listed.parameters[name], value)
        else:
            yield _describe_unknown(kind, name, listed)


def resolve_params(kind: NetworkKind, params: Mapping[str, Any]) -> dict[str, Any]:
    """Checked parameters in one form: what equals its default is left out, but for ``epochs``.

    ``optimizer`` and ``schedule`` are ``[name, {arguments}]``, as each of the ``layers`` is.

    Raises:
        ValueError: A name is not known: the parameters were not checked.
    """
    listed = list_parameters(kind)
    resolved: dict[str, Any] = {EPOCHS: DEFAULTS[EPOCHS]}
    for name, value in params.items():
        if kind == "keras" and name == LAYERS:
            resolved[name] = resolve_layers(value)
            continue
        if name not in listed.parameters:
            raise ValueError(f"parameter '{name}' was not checked")
        found = find_group_of(name).resolve(value) if name in GROUPED else listed.parameters[name].convert(value)
        if name == EPOCHS or found != DEFAULTS[name]:
            resolved[name] = found
    return resolved


def read_plan(kind: NetworkKind, resolved: Mapping[str, Any]) -> NetworkPlan:
    """The network that resolved parameters describe."""
    whole = {**DEFAULTS, **resolved}
    layers = whole.get(LAYERS, []) if kind == "keras" else list(_list_mlp_layers(whole))
    (optimizer, options), (schedule, arguments) = whole["optimizer"], whole["schedule"]
    return NetworkPlan(
        layers=tuple((name, dict(inner)) for name, inner in layers),
        epochs=whole[EPOCHS],
        batch_size=whole["batch_size"],
        learning_rate=whole["learning_rate"],
        optimizer=(optimizer, dict(options)),
        schedule=(schedule, dict(arguments)),
    )


def _list_mlp_layers(whole: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    activation = whole["activation"]
    for width in whole["hidden"]:
        if whole["batch_norm"]:
            yield "Dense", {"units": width}
            yield "BatchNormalization", {}
            yield "Activation", {"activation": activation}
        else:
            yield "Dense", {"units": width, "activation": activation}
        if whole["dropout"]:
            yield "Dropout", {"rate": whole["dropout"]}


@cache
def list_parameters(kind: NetworkKind) -> ParameterList:
    """Parameters of a type of network; those that are a name with options have no kinds."""
    kinds: dict[str, tuple[Kind, ...]] = {
        "hidden": (Kind("integers", 1, MOST_WIDTH),),
        "activation": (Kind("choice", choices=list_activations()),),
        "dropout": (Kind("number", 0, 1, "left"),),
        "batch_norm": (Kind("boolean"),),
        EPOCHS: (Kind("integer", 1),),
        "batch_size": (Kind("integer", 1),),
        "learning_rate": (Kind("number", 0, None, "neither"),),
        "optimizer": (),
        "schedule": (),
    }
    names = [name for name in kinds if kind == "mlp" or name not in OF_MLP]
    return ParameterList({name: Parameter(name, kinds[name]) for name in names}, REFUSED)


@cache
def find_group_of(name: str) -> Group:
    """What ``optimizer`` or ``schedule`` can be."""
    return find_group("optimizer") if name == "optimizer" else Group.from_json("schedule", SCHEDULES)


def _check_value(parameter: Parameter, value: Any) -> Iterator[Complaint]:
    if not parameter.accepts(value):
        default = DEFAULTS[parameter.name]
        text = f"[{', '.join(map(write_scalar, default))}]" if isinstance(default, list) else write_scalar(default)
        fix = find_value(parameter, value) or f"write such a value, or remove it; without it, it is {text}"
        yield Complaint((parameter.name,), describe_parameter(parameter), fix)


def _check_clips(name: str, value: Any) -> Iterator[Complaint]:
    """The optimisers of the library clip gradients in one way at most."""
    for optimizer, options in value.items() if isinstance(value, dict) else ():
        given = [option for option in CLIPS if isinstance(options, dict) and options.get(option) is not None]
        for option in given[1:]:
            yield Complaint((name, optimizer, option), f"one of {', '.join(CLIPS)}", f"remove {option}", on_key=True)


def _describe_unknown(kind: NetworkKind, name: str, listed: ParameterList) -> Complaint:
    meant = OTHER_WORDS.get(name.lower(), name)
    if kind == "keras" and meant in OF_MLP:
        fix = "remove it, and describe the network with layers, or write type: mlp"
        return Complaint((name,), f"no {name}; the layers of keras are written one by one", fix, on_key=True)
    if name == LAYERS:
        fix = "write hidden: [128, 128], or type: keras with layers beside params"
        return Complaint((name,), "no layers among the parameters of mlp", fix, on_key=True)
    if meant != name:
        return Complaint((name,), f"one of {', '.join(listed.parameters)}", f"write '{meant}'", on_key=True)
    return next(listed.check({name: None}))
