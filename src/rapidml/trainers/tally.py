"""What a centre counts: exchanges, bytes, staleness, losses; and the report that is made of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidml.trainers.curves import Curve

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Tally:
    """Counts of one training.

    Attributes:
        exchanges: Commits taken.
        n_bytes: Size of all commits and replies.
        lost: Times that a replica was lost.
        staleness: Number of commits by how many updates of others they came after their replica's pull.
        seconds: Time since the first replica joined, without the time in which no centre was there.
        losses: Sum over the rows of each epoch of their loss, by epoch.
        scores: What was computed with the centre at the end of each epoch, by epoch and name.
        replicas: Mean loss of each window, by replica.
        centre: Scores over time, by name.
    """

    exchanges: int = 0
    n_bytes: int = 0
    lost: int = 0
    staleness: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    losses: dict[int, float] = field(default_factory=dict)
    scores: dict[int, dict[str, float]] = field(default_factory=dict)
    replicas: dict[int, Curve] = field(default_factory=dict)
    centre: dict[str, Curve] = field(default_factory=dict)

    def add_loss(self, replica: int, epoch: int, rows: int, loss: float, samples: int) -> None:
        """Count the mean loss of a window.

        Args:
            replica: Who trained on it.
            epoch: The epoch it belongs to.
            rows: Its rows.
            loss: Their mean loss.
            samples: Rows that all replicas together have trained on by then.
        """
        self.losses[epoch] = self.losses.get(epoch, 0.0) + rows * loss
        self.replicas.setdefault(replica, Curve()).add(self.seconds, samples, loss)

    def add_scores(self, epoch: int, scores: Mapping[str, float], samples: int) -> None:
        """Count what was computed with the centre at the end of an epoch."""
        self.scores[epoch] = dict(scores)
        for name, value in scores.items():
            self.centre.setdefault(name, Curve()).add(self.seconds, samples, value)

    def make_report(self, samples: int) -> dict[str, Any]:
        """The counts for who looks at a training, as JSON values."""
        return {
            "exchanges": self.exchanges,
            "seconds": self.seconds,
            "exchanges_per_second": self.exchanges / self.seconds if self.seconds else 0.0,
            "bytes": self.n_bytes,
            "staleness": {str(late): self.staleness[late] for late in sorted(self.staleness)},
            "samples": samples,
            "lost": self.lost,
            "curves": {
                "replicas": {str(replica): self.replicas[replica].to_tree() for replica in sorted(self.replicas)},
                "centre": {name: curve.to_tree() for name, curve in self.centre.items()},
            },
        }

    def to_tree(self) -> dict[str, Any]:
        """Everything as JSON values."""
        report = self.make_report(0)
        kept = {name: report[name] for name in ("exchanges", "seconds", "bytes", "staleness", "lost", "curves")}
        return {**kept, "losses": sorted(self.losses.items()), "scores": sorted(self.scores.items())}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Tally:
        """The counts that ``to_tree`` gave."""
        curves = tree["curves"]
        return cls(
            exchanges=tree["exchanges"],
            n_bytes=tree["bytes"],
            lost=tree["lost"],
            staleness=Counter({int(late): count for late, count in tree["staleness"].items()}),
            seconds=tree["seconds"],
            losses=dict(tree["losses"]),
            scores={epoch: dict(found) for epoch, found in tree["scores"]},
            replicas={int(replica): Curve.from_tree(one) for replica, one in curves["replicas"].items()},
            centre={name: Curve.from_tree(one) for name, one in curves["centre"].items()},
        )
