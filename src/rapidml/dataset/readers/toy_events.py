"""Generated events of any number: a resonance that decays to two leptons, over a falling background, in a detector.

Every number of a row is a function of the options and the row's number alone: the raw output of a counter-based
generator, one stretch of its counter for each block of rows. Rows are made block by block, wherever they are read, and
are the same for any partition; another number of rows only rescales the weights. What is what, with energies in GeV:

- Mass of the pair: signal, a Breit-Wigner peak of ``MASS`` and ``WIDTH`` within ``PEAK_RANGE``; background, an
  exponential from ``THRESHOLD`` on with the slope ``GENERATED_SLOPE``, weighted to ``SLOPE``: the tail has more events.
- Its transverse momentum falls as ``pt / (pt**2 + a**2)**3``, its rapidity is normal; the signal is harder and more
  central.
- Decay angle: signal, a scalar, flat in its cosine; background, a vector, ``1 + cos**2``. Leptons have no mass.
- Jets: Poisson, the signal with more; the transverse momentum of the first falls exponentially from ``JET_THRESHOLD``.
- Detector: lepton momenta are smeared by a normal factor of relative width ``RESOLUTION``, angles not; the missing
  transverse energy is resolution only, two normal components that widen with the number of jets.
- Weight: expected number of events, ``YIELDS``, over the number of rows; the slope; and a pile-up factor of mean 1.

Reference:
    Salmon, Moraes, Dror and Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3", SC '11 (Philox).
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

from rapidml.dataset.readers.source import RawColumn, check_wanted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.files import SourceFile
    from rapidml.dataset.readers.source import Kind

TOY_EVENTS = "toy_events"
FORMAT = 1
"""Enters the identity of the set: another number, other rows."""
BLOCK = 65_536
"""Rows that share a stretch of the generator's counter."""
LEAST_BLOCKS = 2
MOST_PARTS = 256
"""Parts that are read apart, each by one worker: of two blocks or more, and never more of them than this."""

FEATURES = (
    "lep1_pt", "lep1_eta", "lep1_phi", "lep2_pt", "lep2_eta", "lep2_phi", "pair_mass", "pair_pt", "pair_delta_r",
    "n_jets", "jet1_pt", "met", "met_phi",
)  # fmt: skip
TRUE_MASS, WEIGHT, TARGET = "true_mass", "weight", "target"
LABELS = ("background", "signal")
KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(FEATURES, "number"),
    "n_jets": "integer",
    TRUE_MASS: "number",
    WEIGHT: "number",
    TARGET: "text",
}

MASS, WIDTH, PEAK_RANGE = 200.0, 10.0, (120.0, 280.0)
THRESHOLD, GENERATED_SLOPE, SLOPE = 100.0, 100.0, 80.0
RESOLUTION = 0.06
PT_SCALE = (40.0, 50.0)
"""The scale a of the pair's transverse momentum, background and signal; the same order in what follows."""
RAPIDITY = (1.2, 1.0)
JETS = (0.9, 1.3)
MOST_JETS = 12
JET_THRESHOLD, JET_SLOPE = 25.0, 30.0
MET_WIDTH, MET_WIDTH_PER_JET = 12.0, 6.0
YIELDS = (100_000.0, 1_000.0)
"""Expected sum of the weights of each class, whatever the number of rows."""
_DRAWS = 16
"""Random numbers a row; some are spare."""


class ToyEventsReader:
    """Opens parts of the set; options and rows are in the URL: ``builtin:toy_events?{"first": 0, "n": 9, ...}``."""

    def open(self, file: SourceFile, columns: Collection[str] | None, limit: int | None) -> ToyEvents:
        """Make the rows of a part; see ``Reader.open``."""
        check_wanted(file, KINDS, columns)
        part = json.loads(file.url.partition("?")[2])
        n_rows = part["n"] if limit is None else min(limit, part["n"])
        wanted = [name for name in KINDS if columns is None or name in columns]
        return ToyEvents(make_events(part["options"], part["first"], n_rows, wanted), n_rows)


class ToyEvents:
    """Rows as made; a column is released once it is loaded."""

    def __init__(self, made: dict[str, NDArray[Any]], n_rows: int) -> None:
        self.n_rows = n_rows
        self.names = tuple(KINDS)
        self.kinds = {name: kind for name, kind in KINDS.items() if name in made}
        self.left_out: dict[str, str] = {}
        self._made = made

    def load(self, name: str) -> RawColumn:
        """The values of a column."""
        return RawColumn(self._made.pop(name), LABELS if name == TARGET else None)


def list_stretches(n_rows: int) -> Iterator[tuple[int, int]]:
    """First row and number of rows of each part that is read apart: whole blocks, the last one excepted."""
    step = BLOCK * max(LEAST_BLOCKS, -(-n_rows // (BLOCK * MOST_PARTS)))
    for first in range(0, n_rows, step):
        yield first, min(step, n_rows - first)


def make_events(
    options: Mapping[str, Any], first: int, n_rows: int, columns: Collection[str] = tuple(KINDS)
) -> dict[str, NDArray[Any]]:
    """Rows of the set.

    Args:
        options: ``rows``, ``signal_fraction`` and ``seed``.
        first: Number of the first row.
        n_rows: Number of rows to make.
        columns: Names of the columns to keep.

    Returns:
        Values of each column; of the target, codes into ``LABELS``. Each of shape ``(n_rows,)``.
    """
    import numpy as np

    types: dict[str, Any] = {TARGET: np.int32, WEIGHT: np.float64, "n_jets": np.int32}
    made = {name: np.empty(n_rows, types.get(name, np.float32)) for name in KINDS if name in columns}
    start = first
    while start < first + n_rows and made:
        block, skip = divmod(start, BLOCK)
        stop = min(first + n_rows, (block + 1) * BLOCK)
        events = _make_block(draw_block(options["seed"], block)[:, skip : skip + stop - start], options)
        for name, values in made.items():
            values[start - first : stop - first] = events[name]
        start = stop
    return made


def draw_block(seed: int, block: int) -> NDArray[np.float64]:
    """Random numbers of a block of rows, in (0, 1): the same bits on every machine. Shape ``(_DRAWS, BLOCK)``."""
    import numpy as np

    digest = hashlib.sha256(f"{TOY_EVENTS} {FORMAT} {seed}".encode()).digest()
    key = np.array([int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big")], np.uint64)
    raw = np.random.Philox(key=key, counter=np.array([0, 0, 0, block], np.uint64)).random_raw(_DRAWS * BLOCK)
    return ((raw >> np.uint64(12)).astype(np.float64) + 0.5).reshape(_DRAWS, BLOCK) * 2.0**-52


def _make_block(u: NDArray[np.float64], options: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """All columns of some rows, from their random numbers of shape ``(_DRAWS, n_rows)``."""
    import numpy as np

    is_signal = u[0] < options["signal_fraction"]
    mass = np.where(is_signal, _peak(u[1]), THRESHOLD - GENERATED_SLOPE * np.log(u[1]))
    n_jets = np.where(is_signal, _poisson(u[2], JETS[1]), _poisson(u[2], JETS[0]))
    leptons = _decay(mass, is_signal, u)
    normal = np.hypot(MET_WIDTH, MET_WIDTH_PER_JET * np.sqrt(n_jets))
    with np.errstate(divide="ignore"):
        jet1_pt = JET_THRESHOLD - JET_SLOPE * np.log1p(-(u[11] ** (1 / n_jets)))
    return {
        **leptons,
        "n_jets": n_jets,
        "jet1_pt": np.where(n_jets > 0, jet1_pt, 0.0),
        "met": normal * np.sqrt(-2 * np.log(u[12])),
        "met_phi": _angle(u[13]),
        TRUE_MASS: mass,
        WEIGHT: _weights(mass, is_signal, u[14], options),
        TARGET: is_signal,
    }


def _decay(mass: NDArray[np.float64], is_signal: NDArray[np.bool_], u: NDArray[np.float64]) -> dict[str, Any]:
    """The two leptons as measured, the harder one first, and what they make together."""
    import numpy as np

    cosine = np.where(is_signal, 2 * u[3] - 1, 2 * np.sinh(np.arcsinh(4 * u[3] - 2) / 3))
    scale = np.where(is_signal, PT_SCALE[1], PT_SCALE[0])
    pair_pt = scale * np.sqrt(u[4] ** -0.5 - 1)
    width = np.where(is_signal, RAPIDITY[1], RAPIDITY[0])
    radius, turn = np.sqrt(-2 * np.log(u[5])), 2 * np.pi * u[6]
    rapidity = width * radius * np.cos(turn)
    smear = RESOLUTION * np.sqrt(-2 * np.log(u[9])) * np.array([np.cos(2 * np.pi * u[10]), np.sin(2 * np.pi * u[10])])
    momentum, sine, around = mass / 2, np.sqrt(1 - cosine**2), 2 * np.pi * u[7]
    along, across, beam = momentum * sine * np.cos(around), momentum * sine * np.sin(around), momentum * cosine
    boost, gamma = pair_pt / mass, np.hypot(pair_pt, mass) / mass
    leptons = []
    for sign, factor in zip((1, -1), np.maximum(0.05, 1 + smear), strict=True):
        x, y = gamma * sign * along + boost * momentum, sign * across
        pt = np.hypot(x, y)
        leptons.append((pt * factor, np.arcsinh(sign * beam / pt) + rapidity, np.arctan2(y, x)))
    return _measure(leptons[0], leptons[1], _angle(u[8]))


def _measure(first: tuple[Any, ...], second: tuple[Any, ...], direction: NDArray[np.float64]) -> dict[str, Any]:
    """Columns from transverse momentum, pseudorapidity and angle to the pair of both leptons."""
    import numpy as np

    swap = first[0] < second[0]
    (pt1, eta1, phi1), (pt2, eta2, phi2) = (
        [np.where(swap, b, a) for a, b in zip(first, second, strict=True)],
        [np.where(swap, a, b) for a, b in zip(first, second, strict=True)],
    )
    delta_phi = _wrap(phi1 - phi2)
    return {
        "lep1_pt": pt1, "lep1_eta": eta1, "lep1_phi": _wrap(phi1 + direction),
        "lep2_pt": pt2, "lep2_eta": eta2, "lep2_phi": _wrap(phi2 + direction),
        "pair_mass": np.sqrt(2 * pt1 * pt2 * (np.cosh(eta1 - eta2) - np.cos(delta_phi))),
        "pair_pt": np.sqrt(np.maximum(0.0, pt1**2 + pt2**2 + 2 * pt1 * pt2 * np.cos(delta_phi))),
        "pair_delta_r": np.hypot(eta1 - eta2, delta_phi),
    }  # fmt: skip


def _peak(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Breit-Wigner within ``PEAK_RANGE``, by the inverse of its distribution function."""
    import numpy as np

    low, high = (math.atan(2 * (edge - MASS) / WIDTH) for edge in PEAK_RANGE)
    return MASS + WIDTH / 2 * np.tan(low + (high - low) * u)


def _poisson(u: NDArray[np.float64], mean: float) -> NDArray[np.int64]:
    """Poisson numbers, at most ``MOST_JETS``."""
    import numpy as np

    steps = np.cumsum([math.exp(-mean) * mean**n / math.factorial(n) for n in range(MOST_JETS)])
    return np.asarray(np.searchsorted(steps, u, side="right"), np.int64)


def _weights(
    mass: NDArray[np.float64], is_signal: NDArray[np.bool_], u: NDArray[np.float64], options: Mapping[str, Any]
) -> NDArray[np.float64]:
    """Expected number of events that each row stands for."""
    import numpy as np

    share = options["signal_fraction"]
    background, signal = YIELDS[0] / (options["rows"] * (1 - share)), YIELDS[1] / (options["rows"] * share)
    slope = GENERATED_SLOPE / SLOPE * np.exp((mass - THRESHOLD) * (1 / GENERATED_SLOPE - 1 / SLOPE))
    return np.asarray(np.where(is_signal, signal, background * slope) * (0.5 + u), np.float64)


def _angle(u: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2 * math.pi * u - math.pi


def _wrap(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same angle within -pi and pi."""
    import numpy as np

    wrapped: NDArray[np.float64] = angle - 2 * math.pi * np.round(angle / (2 * math.pi))
    return wrapped
