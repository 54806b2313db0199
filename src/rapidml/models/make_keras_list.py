"""Keras' layers, optimisers, initializers and the like as the library itself tells them: arguments, kinds, aliases.

What is offered is reviewed here: nothing that runs code, reads files, learns from data before training, has several
inputs or holds another layer. Kinds of arguments are reviewed too, by name; a new argument of the library stops this
script until it has been looked at. The test of the list tries the kinds on the library.
"""

from __future__ import annotations

import inspect
import os
import re
from typing import Any

LAYERS = (
    *("Dense", "Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax"),
    *("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise"),
    *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
    *("BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"),
    *("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
    *("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"),
    *("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D"),
    *("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D"),
    *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D"),
    *("Flatten", "Reshape", "Permute", "RepeatVector", "Rescaling"),
    *("Cropping1D", "Cropping2D", "Cropping3D", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"),
    *("UpSampling1D", "UpSampling2D", "UpSampling3D"),
    *("LSTM", "GRU", "SimpleRNN"),
)
OPTIMIZERS = ("Adam", "AdamW", "SGD", "RMSprop", "Nadam", "Adagrad", "Adadelta", "Adamax", "Lion")
INITIALIZERS = (
    *("GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform", "Orthogonal"),
    *("RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Constant", "Ones", "Zeros"),
)
REGULARIZERS = ("L1", "L2", "L1L2", "OrthogonalRegularizer")
CONSTRAINTS = ("MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm")
NO_ACTIVATIONS = ("get", "serialize", "deserialize", "glu")
"""Functions of ``keras.activations`` that are none, and one that halves the width."""

LEFT_OUT = frozenset(
    {
        *("activity_regularizer", "data_format", "dtype", "name", "noise_shape", "seed", "trainable"),
        *("output_padding", "lora_rank", "lora_alpha", "quantization_config", "input_axes", "output_axes"),
        *("renorm", "renorm_clipping", "renorm_momentum", "synchronized"),
        *("return_state", "stateful", "use_cudnn", "unroll"),
        *("learning_rate", "gradient_accumulation_steps", "loss_scale_factor"),
        *("use_ema", "ema_momentum", "ema_overwrite_frequency"),
    }
)
"""Arguments that recipes cannot set: rapidml sets them, or they change what a training is."""

Kinds = list[dict[str, Any]]


def _number(low: float | None = None, high: float | None = None, closed: str = "both") -> dict[str, Any]:
    kind = {"form": "number", "low": low, "high": high, "closed": closed}
    return {name: value for name, value in kind.items() if value is not None and (name, value) != ("closed", "both")}


NULL: dict[str, Any] = {"form": "null"}
BOOLEAN: Kinds = [{"form": "boolean"}]
COUNT: Kinds = [{"form": "integer", "low": 1}]
SHARE: Kinds = [_number(0, 1, "left")]
ABOVE_0: Kinds = [_number(0, None, "neither")]
FROM_0: Kinds = [_number(0)]
ANY_NUMBER: Kinds = [_number()]
AXIS: Kinds = [{"form": "integer"}, {"form": "integers"}]
ONE_AXIS: Kinds = [{"form": "integer"}]
OF_RANK: Kinds = [{"form": "integer", "low": 1}, {"form": "integers", "low": 1, "length": "rank"}]
"""A size in each of a layer's directions, or one for all."""
AROUND: Kinds = [
    {"form": "integer", "low": 0},
    {"form": "integers", "low": 0, "length": "rank"},
    {"form": "pairs", "low": 0, "length": "rank"},
]
"""Rows at the border: the same everywhere, in each direction, or on both sides of each."""
ACTIVATION: Kinds = [{"form": "activation"}, NULL]
CLIP: Kinds = [_number(0, None, "neither"), NULL]

KINDS: dict[str, Kinds] = {
    **dict.fromkeys(("units", "filters", "groups", "depth_multiplier", "n"), COUNT),
    **dict.fromkeys(("kernel_size", "pool_size", "strides", "dilation_rate", "size"), OF_RANK),
    **dict.fromkeys(("use_bias", "center", "scale", "keepdims", "nesterov", "amsgrad", "centered"), BOOLEAN),
    **dict.fromkeys(("return_sequences", "go_backwards", "unit_forget_bias", "reset_after"), BOOLEAN),
    **dict.fromkeys(("rate", "dropout", "recurrent_dropout", "momentum", "rho", "beta_1", "beta_2"), SHARE),
    **dict.fromkeys(("epsilon", "factor"), ABOVE_0),
    **dict.fromkeys(("stddev", "negative_slope", "threshold", "alpha", "l1", "l2", "gain"), FROM_0),
    **dict.fromkeys(("minval", "maxval", "mean", "value"), ANY_NUMBER),
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"), CLIP),
    **dict.fromkeys(("activation", "recurrent_activation"), ACTIVATION),
    **dict.fromkeys(("cropping", "padding"), AROUND),
    "axis": AXIS,
    "shared_axes": [{"form": "integers", "low": 1}, NULL],
    "target_shape": [{"form": "integers", "low": -1}],
    "dims": [{"form": "integers", "low": 1}],
    "weight_decay": [_number(0), NULL],
    "initial_accumulator_value": FROM_0,
}
"""Kinds of arguments by their name."""
SPECIAL: dict[str, Kinds] = {
    "Activation.activation": [{"form": "activation"}],
    "AdamW.weight_decay": FROM_0,
    **dict.fromkeys(("BatchNormalization.axis", "GroupNormalization.axis"), ONE_AXIS),
    "GaussianNoise.stddev": [_number(0, 1)],
    "Lion.beta_1": [_number(0, 1, "neither")],
    "MaxNorm.max_value": ABOVE_0,
    "MinMaxNorm.max_value": ABOVE_0,
    "MinMaxNorm.min_value": FROM_0,
    "MinMaxNorm.rate": [_number(0, 1)],
    "OrthogonalRegularizer.mode": [{"form": "choice", "choices": ["rows", "columns"]}],
    "ReLU.max_value": [_number(0), NULL],
    "Rescaling.offset": [_number(), {"form": "numbers"}],
    "Rescaling.scale": [_number(), {"form": "numbers"}],
    "Softmax.axis": AXIS,
    "UpSampling1D.size": COUNT,
    "VarianceScaling.distribution": [
        {"form": "choice", "choices": ["normal", "truncated_normal", "uniform", "untruncated_normal"]}
    ],
    "VarianceScaling.mode": [{"form": "choice", "choices": ["fan_avg", "fan_in", "fan_out"]}],
    "VarianceScaling.scale": ABOVE_0,
    "ZeroPadding1D.padding": [{"form": "integer", "low": 0}, {"form": "integers", "low": 0, "length": 2}],
    "Cropping1D.cropping": [{"form": "integer", "low": 0}, {"form": "integers", "low": 0, "length": 2}],
}
"""Kinds of arguments whose name means something else elsewhere."""
FIRST = ("pool_size", "size")
"""First arguments that a bare value means although they have a default, and others stand beside them."""
NEEDED = ("Constant.value",)
"""Arguments that have a default in a signature, and are missed in a configuration without them."""
PADDINGS = ("causal", "same", "valid")
"""Of layers; constructors of pooling layers take the first too, and their calls do not."""
INTERPOLATIONS = ("bicubic", "bilinear", "lanczos3", "lanczos5", "nearest")


def make_content() -> dict[str, Any]:
    """Every offered name with its arguments, and the activations.

    Raises:
        ValueError: The library no longer knows an offered name, or has an argument that nobody has reviewed.
    """
    keras = _import_keras()
    groups = {
        "layer": (keras.layers, LAYERS),
        "optimizer": (keras.optimizers, OPTIMIZERS),
        "initializer": (keras.initializers, INITIALIZERS),
        "regularizer": (keras.regularizers, REGULARIZERS),
        "constraint": (keras.constraints, CONSTRAINTS),
    }
    content = {word: {} for word in groups}  # type: dict[str, dict[str, Any]]
    for word, (module, names) in groups.items():
        for name in names:
            entry = _make_entry(module, name)
            key = name.lower() if word == "optimizer" else name
            others = {name} if word == "optimizer" else set()
            entry["aliases"] = sorted({*_list_aliases(module, name), *others} - {key})
            content[word][key] = {what: value for what, value in entry.items() if value}
    return {"activations": _list_activations(keras), "groups": content}


def _import_keras() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    return keras


def _list_activations(keras: Any) -> list[str]:
    functions = inspect.getmembers(keras.activations, inspect.isfunction)
    return sorted(name for name, function in functions if name not in NO_ACTIVATIONS and not _has_more(function))


def _has_more(function: Any) -> bool:
    """Whether it needs more than one tensor."""
    return sum(p.default is p.empty for p in inspect.signature(function).parameters.values()) > 1


def _list_aliases(module: Any, name: str) -> list[str]:
    """Other names of a class in its module, in CamelCase and, where the library reads them, in snake_case."""
    cls = getattr(module, name)
    same = [other for other in dir(module) if getattr(module, other) is cls and other != name]
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return sorted({*same, *([snake] if _reads(module, snake, cls) else [])})


def _reads(module: Any, name: str, cls: Any) -> bool:
    """Whether the library's ``get`` reads a name as a class."""
    if not hasattr(module, "get"):
        return False
    try:
        return type(module.get(name)) is cls
    except (KeyError, TypeError, ValueError):
        return False


def _make_entry(module: Any, name: str) -> dict[str, Any]:
    cls = getattr(module, name, None)
    if cls is None:
        raise ValueError(f"keras has no {name}")
    parameters = [p for p in inspect.signature(cls).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    offered = [p for p in parameters if p.name not in LEFT_OUT]
    arguments = {p.name: _find_kinds(cls, name, p.name) for p in offered}
    return {
        "arguments": arguments,
        "first": _find_first(offered),
        "required": [p.name for p in offered if p.default is p.empty or f"{name}.{p.name}" in NEEDED],
        "refused": sorted(
            {p.name for p in parameters if p.name in LEFT_OUT} | {"name"} | _list_refused(module.__name__)
        ),
    }


def _find_first(offered: list[inspect.Parameter]) -> str | None:
    """The argument that a bare value means, where nobody can think of another."""
    if not offered:
        return None
    is_clear = offered[0].default is inspect.Parameter.empty or len(offered) == 1 or offered[0].name in FIRST
    return offered[0].name if is_clear else None


def _list_refused(module: str) -> set[str]:
    """Arguments that every layer takes beside those in its signature."""
    return {"dtype", "trainable", "input_shape"} if module.endswith("layers") else set()


def _find_kinds(cls: Any, name: str, argument: str) -> Kinds:
    if f"{name}.{argument}" in SPECIAL:
        return SPECIAL[f"{name}.{argument}"]
    sort = argument.rpartition("_")[2]
    if sort in ("initializer", "regularizer", "constraint"):
        return [{"form": "named", "group": sort}, *([] if sort == "initializer" else [NULL])]
    if argument == "interpolation":
        return [{"form": "choice", "choices": _try_choices(cls, name, argument, INTERPOLATIONS)}]
    if argument == "padding" and not name.startswith("ZeroPadding"):
        known = PADDINGS if "Conv" in name else PADDINGS[1:]
        return [{"form": "choice", "choices": _try_choices(cls, name, argument, known)}]
    if argument not in KINDS:
        raise ValueError(f"nobody has reviewed the argument {argument} of keras' {name}")
    found = [_with_rank(kind, name) for kind in KINDS[argument]]
    is_optional = argument == "strides" and "Pooling" in name
    return [*found, NULL] if is_optional else found


def _with_rank(kind: dict[str, Any], name: str) -> dict[str, Any]:
    """The kind with the number of directions of a layer, as ``2`` of ``Conv2D``."""
    rank = re.search(r"([123])D", name)
    return {**kind, "length": int(rank[1])} if kind.get("length") == "rank" and rank else kind


def _try_choices(cls: Any, name: str, argument: str, choices: tuple[str, ...]) -> list[str]:
    """The choices that the constructor of a layer takes."""
    parameters = inspect.signature(cls).parameters.values()
    needed = {p.name: 2 for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
    taken = []
    for choice in choices:
        try:
            cls(**needed, **{argument: choice})
        except ValueError:
            continue
        taken.append(choice)
    if not taken:
        raise ValueError(f"keras' {name} takes none of the known values of {argument}")
    return taken
