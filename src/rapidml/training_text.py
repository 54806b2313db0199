"""Text for terminals about the training of networks: one table of all trainers, and the course of one training.

Plain results in, lines out; no store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.layout import align_points, bytes_text, count_text, seconds_text, table, wrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_EPOCHS = 16
"""Epochs that a table shows; of more every second, fifth, tenth, and the last."""
MOST_BARS = 12
"""Bars of a histogram; beyond, neighbours are joined."""
_LONGEST_BAR = 40
_STEPS = (1, 2, 5)
ONE_PROCESS = "single"
"""The trainer of a network that one process trains."""
HELD = {"train": "train loss", "watch": "watched loss", "centre": "loss of the centre"}
"""What the columns of a history are called."""


def rate_text(rate: float | None) -> str:
    """A number for each second: ``1,730``, ``15``, ``2.2``; empty if it is not known."""
    if rate is None:
        return ""
    return f"{rate:,.0f}" if rate >= 9.95 else f"{rate:.2g}"


def staleness_text(told: Mapping[str, Any]) -> str:
    """Mean staleness with the 95th percentile: ``0.55 [2]``; empty without exchanges."""
    mean = told.get("mean_staleness")
    return "" if mean is None else f"{mean:.2f} [{told['late_staleness']}]"


def trainings_table(entries: Mapping[str, Mapping[str, Any]], width: int | None = None) -> list[str]:
    """How each network was trained; nothing where no model has a trainer.

    Args:
        entries: Models of a result, in the order of its table.
        width: Characters of a line; None for no limit.
    """
    told = {name: entry["training"] for name, entry in entries.items() if entry.get("training")}
    if all(one["trainer"] == ONE_PROCESS for one in told.values()):
        return []
    heading = ["training", "trainer", "replicas", "took", "samples/s", "exchanges", "exchanges/s", "exchanged"]
    rows = [[*heading, "mean staleness [95%]", "replicas lost"]]
    for name, one in told.items():
        exchanges = "" if one["exchanges"] is None else f"{one['exchanges']:,}"
        size = "" if one["bytes"] is None else bytes_text(one["bytes"])
        rates = [rate_text(one["samples_per_second"]), exchanges, rate_text(one["exchanges_per_second"])]
        lost = "" if one["lost"] is None else str(one["lost"])
        cells = [name, one["trainer"], str(one["replicas"]), seconds_text(one["seconds"]), *rates, size]
        rows.append([*cells, staleness_text(one), lost])
    empty = [i for i in range(2, len(rows[0])) if not any(row[i] for row in rows[1:])]
    kept = [i for i in range(len(rows[0])) if i not in empty]
    places = {old: new for new, old in enumerate(kept)}
    rows = [[row[i] for i in kept] for row in rows]
    drop = [places[i] for i in (5, 7, 2, 6, 9) if i in places]
    return table(rows, right=range(2, len(kept)), width=width, drop=drop, cut=[0])


def training_lines(name: str, told: Mapping[str, Any], width: int | None = None) -> list[str]:
    """The training of one model: losses by epoch of its final fit, staleness, lost replicas.

    Args:
        name: Name of the model.
        told: Its ``training`` in a result.
        width: Characters of a line; None for no limit.
    """
    part, fit = list(told["fits"].items())[-1]  # the final fit, once there is one
    what = "final fit" if not part.startswith("fold:") else part.replace(":", " ")
    how = "one process" if told["trainer"] == ONE_PROCESS else f"{told['trainer']}, {_replicas_text(told)}"
    head = f"training of {name}, {what}: {how}, {count_text(fit['epochs'], 'epoch')}"
    lines = [*wrap(head, width, "    "), *_numbers_lines(fit, width), *loss_table(fit, width)]
    if fit["staleness"]:
        about = "staleness: updates of the centre by others between the last exchange of a replica and this one"
        lines += ["", *wrap(f"  {about}", width, "    "), *bar_lines(fit["staleness"], width)]
    return lines


def _replicas_text(told: Mapping[str, Any]) -> str:
    return count_text(told["replicas"], "replica")


def _numbers_lines(fit: Mapping[str, Any], width: int | None) -> list[str]:
    """Time and rates in a sentence, and what became of the replicas."""
    pieces = [seconds_text(fit["seconds"])]
    if fit["samples_per_second"] is not None:
        pieces.append(f"{rate_text(fit['samples_per_second'])} samples/s")
    if fit["exchanges"]:
        pieces.append(f"{count_text(fit['exchanges'], 'exchange')} ({rate_text(fit['exchanges_per_second'])}/s)")
    if fit["bytes"]:
        pieces.append(f"{bytes_text(fit['bytes'])} exchanged")
    if fit["mean_staleness"] is not None:
        pieces.append(f"mean staleness {fit['mean_staleness']:.2f}, 95% at most {fit['late_staleness']}")
    lines = wrap(f"  {', '.join(pieces)}", width, "    ")
    if fit["lost"]:
        lines += wrap(f"  {lost_text(fit)}", width, "    ")
    return lines


def lost_text(told: Mapping[str, Any]) -> str:
    """That replicas were lost, and what then happened."""
    what = (
        "all began again from the last epoch"
        if told["trainer"] == "multiworker"
        else "the others went on with their rows"
    )
    return f"replicas were lost {count_text(told['lost'], 'time')}; {what}"


def choose_epochs(epochs: Sequence[int], best: int | None = None) -> list[int]:
    """Which epochs a table shows: the first, multiples of a round number, the best and the last.

    Example:
        >>> choose_epochs(range(1, 41), best=33)
        [1, 5, 10, 15, 20, 25, 30, 33, 35, 40]
    """
    step, scale = 1, 1
    while len(epochs) / step > MOST_EPOCHS:
        step = next((known * scale for known in _STEPS if known * scale > step), 0)
        if not step:
            scale *= 10
            step = scale
    kept = {epochs[0], epochs[-1], best} if epochs else set()
    return [epoch for epoch in epochs if epoch % step == 0 or epoch in kept]


def loss_table(fit: Mapping[str, Any], width: int | None = None) -> list[str]:
    """Losses by epoch, the best one marked.

    Args:
        fit: One fit of a model's ``training``.
        width: Characters of a line; None for no limit.
    """
    history = fit["history"]
    epochs = [int(epoch) for epoch in history.get("round", ())]
    if not epochs:
        return []
    best = fit["best_epoch"]
    shown = set(choose_epochs(epochs, best))
    names = [name for name in history if name != "round"]
    rows = [["epoch", *(HELD.get(name, name) for name in names)]]
    for place, epoch in enumerate(epochs):
        if epoch in shown:
            values = [history[name][place] if place < len(history[name]) else None for name in names]
            mark = " *" if epoch == best else ""
            rows.append([f"{epoch}{mark}", *("" if value is None else f"{value:.4g}" for value in values)])
    columns = [align_points([row[i] for row in rows[1:]]) for i in range(1, len(names) + 1)]
    first = [row[0] for row in rows[1:]]
    body = [list(row) for row in zip(first, *columns, strict=True)]
    lines = table([rows[0], *body], indent="    ", width=width)
    return [*lines, "    * the best epoch, whose network is kept"] if best in shown else lines


def bar_lines(staleness: Mapping[str, int], width: int | None = None) -> list[str]:
    """A histogram of whole numbers as bars of text.

    Args:
        staleness: Count by number.
        width: Characters of a line; None for no limit.
    """
    bins = join_bins({int(late): count for late, count in staleness.items()})
    names = [str(low) if low == high else f"{low}-{high}" for low, high, _ in bins]
    widest, most = max(map(len, names)), max(count for _, _, count in bins)
    counts = [f"{count:,}" for _, _, count in bins]
    longest = _LONGEST_BAR if width is None else min(_LONGEST_BAR, width - widest - max(map(len, counts)) - 8)
    room = max(4, longest)
    bars = ["#" * (max(1, round(count * room / most)) if count else 0) for _, _, count in bins]
    return [
        f"    {name.rjust(widest)}  {bar.ljust(room)}  {count.rjust(max(map(len, counts)))}"
        for name, bar, count in zip(names, bars, counts, strict=True)
    ]


def join_bins(counts: Mapping[int, int], most: int = MOST_BARS) -> list[tuple[int, int, int]]:
    """Counts of whole numbers in bins of one width, from 0 to the greatest: first and last number, and count.

    Args:
        counts: Count by number.
        most: Bins at most.
    """
    last = max(counts)
    size = -(-(last + 1) // most)
    found = []
    for low in range(0, last + 1, size):
        high = min(low + size - 1, last)
        found.append((low, high, sum(counts.get(number, 0) for number in range(low, high + 1))))
    return found
