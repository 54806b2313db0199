"""How good networks on MNIST become, by every way to train them. For ``networks.py``.

The network without convolutions is dist-keras' one, 784-1000-250-10. Its trainers take their default window and two
replicas, and see as many samples as one process does. What is scored are the 10,000 test images, which chose nothing.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from measure import Figure, load_result, run_once
from networks_sides import CNN, MLP, Measured, Place, describe_network, ours, say, write_images, write_recipe

from rapidml.models.trainer_plan import SINGLE, TRAINERS

if TYPE_CHECKING:
    from collections.abc import Mapping

CNN_ACCURACY, ADAG_ACCURACY, SHORTFALL = 0.992, 0.975, 0.005
CNN_EPOCHS, MLP_EPOCHS = 12, 10
CNN_PARAMS: dict[str, Any] = {"batch_size": 128, "learning_rate": 0.001, "schedule": "cosine"}
MLP_PARAMS: dict[str, Any] = {"batch_size": 32, "learning_rate": 0.001}
REPLICAS = 2


def measure_cnn(place: Place) -> Measured:
    """The convolutional network of ``recipes/mnist-cnn.yaml``."""
    params = {**CNN_PARAMS, "epochs": place.scaled(CNN_EPOCHS, 1)}
    scores, seconds = _score_all(place, {"cnn": describe_network(CNN, params)})
    figure = Figure("MNIST test accuracy, CNN", tuple(scores["cnn"]), "score", floor=CNN_ACCURACY)
    return {"a fit of the CNN": seconds["cnn"]}, [figure]


def measure_trainers(place: Place) -> Measured:
    """Every trainer, and one process."""
    params = {**MLP_PARAMS, "epochs": place.scaled(MLP_EPOCHS, 1)}
    models = {name: _describe(name, params) for name in TRAINERS}
    scores, seconds = _score_all(place, models)
    figures = []
    for name, found in scores.items():
        floor = ADAG_ACCURACY if name == "adag" else None
        figures.append(Figure(f"MNIST test accuracy, 784-1000-250-10, {name}", tuple(found), "score", floor=floor))
    single = statistics.fmean(scores[SINGLE])
    for name, found in scores.items():
        if name != SINGLE:
            missing = single - statistics.fmean(found)
            what = f"mean accuracy of {name} below that of {SINGLE} at equal samples, {place.seeds} seeds"
            figures.append(Figure(what, (missing,), "score", SHORTFALL))
    return {f"a fit of 784-1000-250-10, {name}": found for name, found in seconds.items()}, figures


def _describe(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    if name == SINGLE:
        return describe_network(MLP, params)
    # the optimizer of eamsgd is its own
    kept = {key: value for key, value in params.items() if name != "eamsgd" or key != "learning_rate"}
    return describe_network(MLP, kept, {name: {"replicas": REPLICAS}})


def _score_all(place: Place, models: Mapping[str, Any]) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Test accuracies and seconds of fits of every model, one a seed; all models of a seed are one run."""
    recipe = write_recipe(place, "quality.yaml", write_images(place), models)
    scores: dict[str, list[float]] = {name: [] for name in models}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for seed in range(place.seeds):
        run_once(ours(place, "rapidml", place.cold, recipe, f"seed={seed}"))
        result = load_result(place.store)
        for name, found in result["models"].items():
            scores[name].append(float(found["test"]["accuracy"]["value"]))
            seconds[name].append(float(found["seconds"]))
        say(f"seed {seed}: " + ", ".join(f"{name} {found[-1]:.4f}" for name, found in scores.items()))
    return scores, seconds
