"""Who asked what, and when: a table that the service only adds to. Never an image."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from service.database import Database, now, rows
from service.keys import KeyStore
from service.tables import audit

log = logging.getLogger("cs3.audit")

_PAUSE = 0.5  # seconds that notes are collected
_MOST = 20_000  # notes that wait at most


@dataclass(frozen=True)
class Note:
    """One thing that was asked.

    Attributes:
        who: name and id of the key, "local", or "unknown".
        address: of the client.
        action: method and path, which holds ids only.
        detail: what the action did: counts, hashes of deleted files.
    """

    who: str
    address: str
    action: str
    status: int
    request_id: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class Audit:
    """Collects notes and writes them together, so that no request waits for them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys = KeyStore(database)
        self._notes: queue.Queue[tuple[Note, str] | None] = queue.Queue(_MOST)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._keep_writing, name="audit", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is left."""
        if self._thread is not None:
            self._notes.put(None)
            self._thread.join(10)
            self._thread = None

    def note(self, note: Note, key_id: str = "") -> None:
        """Take a note. When the database is away for long, the log keeps what does not fit."""
        try:
            self._notes.put_nowait((note, key_id))
        except queue.Full:
            log.error("not in the table: %s", note)

    def write(self, notes: Sequence[Note]) -> None:
        """Write notes now."""

        def add(connection: Connection) -> None:
            at = now(connection)
            rows = [asdict(note) | {"detail": dict(note.detail), "at": at} for note in notes]
            connection.execute(insert(audit), rows)

        self._database.write(add)

    def read(self, most: int = 1000, job_id: str | None = None) -> Iterator[Mapping[str, Any]]:
        """Notes, the latest first."""
        query = select(audit).order_by(audit.c.id.desc()).limit(most)
        if job_id is not None:
            query = query.where(audit.c.action.contains(job_id))
        yield from self._database.read(lambda c: rows(c.execute(query)))

    def forget(self, before: float) -> None:
        """Delete notes older than a moment."""
        self._database.write(lambda c: c.execute(delete(audit).where(audit.c.at < before)))

    def _keep_writing(self) -> None:
        while True:
            first = self._notes.get()
            if first is None:
                return
            batch = [first]
            ended = threading.Event().wait(_PAUSE)
            while not self._notes.empty() and len(batch) < 1000:
                following = self._notes.get()
                if following is None:
                    ended = True
                    break
                batch.append(following)
            try:
                self.write([note for note, _ in batch])
                if used := {key_id for _, key_id in batch if key_id}:
                    self._keys.touch(used)
            except SQLAlchemyError:
                for note, _ in batch:
                    log.exception("not in the table: %s", note)
            if ended:
                return
