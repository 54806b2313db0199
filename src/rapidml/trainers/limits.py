"""How long the processes of one training wait for a sign of life from each other."""

from __future__ import annotations

BEAT_SECONDS = 1.0
"""Time between two signs of life of a process that is computing."""
SILENT_SECONDS = 10.0
"""A process that has given none for so long is frozen, and counts as lost."""
RETRY_SECONDS = 15.0
"""A replica looks for its lost centre for so long."""
LEAVE_SECONDS = 1.0
"""A replica whose connection broke may come back within so long as if nothing had happened."""
