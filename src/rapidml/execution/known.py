"""What a store already holds of a plan: finished steps, fits to continue from, finished work without its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.planning.estimates import Cost, read_cost

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from rapidml.store.facts import Fact
    from rapidml.store.store import Store


class StoredFacts:
    """The store as planning sees it.

    Args:
        store: An opened store.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def find_finished(self, keys: Iterable[str]) -> Collection[str]:
        """Keys whose step is finished and whose objects are all present."""
        return {key for key, fact in self.find_facts(keys).items() if fact.is_finished}

    def find_facts(self, keys: Iterable[str]) -> Mapping[str, Fact]:
        """The newest fact of each key that has one."""
        return self.store.find_facts(keys)

    def list_costs(self, keys: Iterable[str]) -> list[Cost]:
        """Costs of the finished fits among some keys."""
        found = [fact for fact in self.find_facts(keys).values() if fact.kind == "fit" and fact.is_finished]
        return [
            read_cost(fact.payload, fact.seconds, fact.peak_memory, sum(ref.size for ref in fact.objects))
            for fact in found
        ]

    def is_whole(self, fact: Fact) -> bool:
        """Whether every object of a fact is in the store."""
        return all(self.store.objects.is_stored(ref) for ref in fact.objects)

    def list_family(self, family: str) -> Sequence[Fact]:
        """The best fact of every key of a family, the newest first."""
        return self.store.index.find_family([family])

    def find_family(self, families: Collection[str]) -> Mapping[str, Sequence[tuple[str, int]]]:
        """Stored fits of each family whose model was kept, as (key, rounds)."""
        found: dict[str, list[tuple[str, int]]] = {}
        for fact in self.store.index.find_family(list(families)):
            rounds: Any = fact.payload.get("rounds")
            if fact.family is not None and isinstance(rounds, int) and self.is_whole(fact):
                found.setdefault(fact.family, []).append((fact.key, rounds))
        return found
