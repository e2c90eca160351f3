"""The database: SQLite in WAL mode, or PostgreSQL; transactions that outlast a lost connection."""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Result, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from service.tables import metadata

T = TypeVar("T")

_TRIES = 7
_FIRST_PAUSE = 0.1  # seconds; doubles
_GLANCE = 0.004  # seconds between looks at whether another process has written
_PASSING = ("08", "23505", "40", "53", "57")
"""PostgreSQL's codes: connection, a row that another was faster to add, conflict, resources, operator."""


class Database:
    """One database, used by all threads of a process.

    Args:
        url: SQLAlchemy URL.
    """

    def __init__(self, url: str) -> None:
        address = make_url(url)
        if address.drivername == "postgresql":
            address = address.set(drivername="postgresql+pg8000")
        self.is_sqlite = address.get_backend_name() == "sqlite"
        if self.is_sqlite:
            if address.database:
                Path(address.database).parent.mkdir(parents=True, exist_ok=True)
            self._engine = create_engine(address, connect_args={"timeout": 20}, pool_size=8, max_overflow=64)
            event.listen(self._engine, "connect", _set_up_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
            self._pieces: queue.SimpleQueue[_Piece[Any] | None] = queue.SimpleQueue()
            threading.Thread(target=self._keep_writing, name="writer", daemon=True).start()
        else:
            self._engine = create_engine(address, pool_size=8, max_overflow=64)
        self._writing = self._engine.execution_options(writes=True)
        self._lock, self._closed = threading.Lock(), False
        self._listener: Any = None  # a connection of sqlite3
        self._version = -1

    def create(self) -> None:
        """Make the tables that are not there yet."""

        def make(connection: Connection) -> None:
            if not self.is_sqlite:  # two processes that start together must not make them at once
                connection.execute(text("SELECT pg_advisory_xact_lock(70263)"))
            metadata.create_all(connection)

        self.write(make)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that only reads. Tried again when the connection is lost."""

        def once() -> T:
            with self._engine.connect() as connection:
                return work(connection)

        return self._persistently(once)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction; it is durable when this returns.

        `work` is run again when the database is busy or the connection is lost, and the first try may have
        been committed without our knowing: it must come to the same end when it finds its own work done.
        """
        if not self.is_sqlite:
            return self._persistently(lambda: self._alone(work))
        mine: _Piece[T] = _Piece(work)
        with self._lock:
            if self._closed:  # and with it the thread that writes
                return self._persistently(lambda: self._alone(work))
            self._pieces.put(mine)
        return mine.outcome()

    def _alone(self, work: Callable[[Connection], T]) -> T:
        with self._writing.begin() as connection:
            return work(connection)

    def wait_for_change(self, seconds: float) -> None:
        """Wait so long, or until another process has written, where the database tells that cheaply (SQLite).

        Some changes come early: those between two calls end the second at once.
        """
        if not self.is_sqlite:
            time.sleep(seconds)
            return
        until = time.monotonic() + seconds
        try:
            while (left := until - time.monotonic()) > 0 and not self._has_changed():
                time.sleep(min(left, _GLANCE))
        except sqlite3.Error:  # whoever reads next is told
            time.sleep(max(0.0, until - time.monotonic()))

    def _has_changed(self) -> bool:
        """Whether another connection has committed since this was asked last; some microseconds."""
        with self._lock:
            if self._listener is None:
                self._listener = self._engine.raw_connection()
            (version,) = self._listener.cursor().execute("PRAGMA data_version").fetchone()
            changed, self._version = version != self._version, version
            return bool(changed)

    def _keep_writing(self) -> None:
        """SQLite lets one write at a time, and each waits for the disk: what came meanwhile goes together.

        One thread does it, with the priority of whoever opened the database: if a thread that steps back for
        others held the lock, all would wait behind whatever it steps back for.
        """
        while (first := self._pieces.get()) is not None:
            together = [first]
            with suppress(queue.Empty):
                while (following := self._pieces.get_nowait()) is not None:
                    together.append(following)
                self._pieces.put(None)  # the end, met on the way
            self._write_together(together)

    def _write_together(self, pieces: Sequence[_Piece[Any]]) -> None:

        def once() -> None:
            with self._writing.begin() as connection:
                for piece in pieces:
                    piece.run(connection)

        try:
            self._persistently(once)
        except Exception as error:  # of the commit, hence of them all
            for piece in pieces:
                piece.error = error
        finally:
            for piece in pieces:
                piece.done.set()

    def _persistently(self, once: Callable[[], T]) -> T:
        pause = _FIRST_PAUSE
        for _ in range(_TRIES - 1):
            try:
                return once()
            except (DBAPIError, OSError) as error:
                if not _may_pass(error):
                    raise
            if not self.is_sqlite:
                self._engine.dispose()  # what one connection met, the others in the pool will meet
            time.sleep(pause)
            pause *= 2
        try:
            return once()
        except OSError as error:
            raise OperationalError("the connection was lost", None, error) from error

    def close(self) -> None:
        """Let go of all connections, once what is being written is kept."""
        with self._lock:
            if self.is_sqlite and not self._closed:
                self._pieces.put(None)
            self._closed = True
            if self._listener is not None:
                self._listener.close()
                self._listener = None
        self._engine.dispose()


class _Piece(Generic[T]):
    """One caller's part of a transaction that several share; what goes wrong in it harms no other."""

    def __init__(self, work: Callable[[Connection], T]) -> None:
        self._work = work
        self.done = threading.Event()
        self.error: Exception | None = None
        self._result: T

    def run(self, connection: Connection) -> None:
        """Do it, or leave no trace of it."""
        self.error = None
        try:
            with connection.begin_nested():
                self._result = self._work(connection)
        except Exception as error:
            if _may_pass(error):
                raise  # everybody's transaction is tried again
            self.error = error

    def outcome(self) -> T:
        """What it gave, or raised, once it is done."""
        self.done.wait()
        if self.error is not None:
            raise self.error
        return self._result


def rows(result: Result[Any]) -> list[dict[str, Any]]:
    """All rows, by the names of their columns."""
    return [dict(row) for row in result.mappings()]


def first_row(result: Result[Any]) -> dict[str, Any] | None:
    """The first row, or None."""
    row = result.mappings().first()
    return None if row is None else dict(row)


def now(connection: Connection) -> float:
    """Seconds since 1970 by the one clock that all processes share: PostgreSQL's, or this machine's."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0.0)


def _may_pass(error: Exception) -> bool:
    """Busy, a conflict or deadlock that was broken, or a lost connection: the next try may go well."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, OSError)  # pg8000 lets some of the socket's errors through
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        return True
    said = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return isinstance(said, dict) and str(said.get("C", "")).startswith(_PASSING)


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=20000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: a reader that turns writer would fail when another was faster.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
