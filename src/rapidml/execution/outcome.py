"""What a step came to: the content of one fact, on its way from a worker, or from an object whose line was lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rapidml.store.objects import Manifest, ObjectRef


@dataclass(frozen=True)
class Outcome:
    """What a task tells the driver: the content of one fact.

    Attributes:
        key: Key of the step.
        kind: ``read``, ``profile``, ``fit``, ``predict`` or ``evaluate``.
        payload: Numbers to keep in the fact's line.
        objects: Objects written.
        seconds: Wall time of the step.
        peak_memory: Largest resident size of the worker process so far, bytes.
        family: Steps of one family can continue each other; None if they cannot.
        error: Text and traceback if the step failed.
    """

    key: str
    kind: str
    payload: dict[str, Any]
    objects: tuple[ObjectRef, ...] = ()
    seconds: float = 0.0
    peak_memory: int = 0
    family: str | None = None
    error: str | None = None

    def stored_with(self, *objects: ObjectRef) -> Outcome:
        """The same outcome with the objects it wrote."""
        return replace(self, objects=objects)

    def note(self) -> dict[str, Any]:
        """What an object's manifest keeps, so that a fact can be made from the object alone."""
        return {
            "step": self.kind,
            "payload": self.payload,
            "seconds": self.seconds,
            "peak_memory": self.peak_memory,
            "family": self.family,
        }

    @classmethod
    def from_manifest(cls, manifest: Manifest) -> Outcome:
        """The outcome whose object is stored but whose line is not.

        Raises:
            KeyError: The object was not written by a step.
        """
        note = manifest.payload
        return cls(
            manifest.ref.key,
            note["step"],
            note["payload"],
            (manifest.ref,),
            note["seconds"],
            note["peak_memory"],
            note["family"],
        )
