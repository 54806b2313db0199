"""The store: facts, objects and runs on disk, safe whenever a process is killed. Knows nothing of recipes or models."""

from rapidml.store.attempts import Attempt, Driver
from rapidml.store.events_file import read_events
from rapidml.store.facts import Fact, FactWriter, read_facts
from rapidml.store.index import Index, RunRecord
from rapidml.store.objects import Manifest, ObjectRef, Objects
from rapidml.store.runs import RunName, parse_run_name
from rapidml.store.store import Store, open_store
from rapidml.store.work import Claim, Rival, find_checkpoint, save_checkpoint

__all__ = [
    "Attempt",
    "Claim",
    "Driver",
    "Fact",
    "FactWriter",
    "Index",
    "Manifest",
    "ObjectRef",
    "Objects",
    "Rival",
    "RunName",
    "RunRecord",
    "Store",
    "find_checkpoint",
    "open_store",
    "parse_run_name",
    "read_events",
    "read_facts",
    "save_checkpoint",
]
