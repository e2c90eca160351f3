"""The workers as their heartbeats tell: which live, which are ready, and what they have counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from service.database import Database, now, rows
from service.tables import workers


class WorkersSeen:
    """Workers of all machines that were heard of lately."""

    def __init__(self, database: Database, patience: float) -> None:
        self._database, self._patience = database, patience

    def alive(self) -> Sequence[Mapping[str, Any]]:
        """Rows of those that live, by age."""

        def find(connection: Connection) -> Sequence[Mapping[str, Any]]:
            recent = workers.c.seen_at > now(connection) - self._patience
            query = (
                select(workers).where(recent, workers.c.state != "stopping").order_by(workers.c.started_at)
            )
            return rows(connection.execute(query))

        return self._database.read(find)

    def ready(self) -> bool:
        """Whether one of them has its model loaded and warm."""
        return any(row["state"] == "ready" for row in self.alive())

    def seconds_an_image(self) -> float:
        """What an image takes at the moment, all workers together; a guess before the first."""
        alive = self.alive()
        images = sum(row["stats"].get("images", 0) for row in alive)
        seconds = sum(row["stats"].get("seconds", 0.0) for row in alive)
        return (seconds / images if images else 5.0) / max(1, len(alive))
