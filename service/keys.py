"""API keys: made once, shown once, kept as hashes.

A key is `cs3_<id>_<secret>`; the secret has 256 random bits, so that its plain SHA-256 tells nobody anything
and no slow hash is needed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from cascade.errors import CS3Error
from service.database import Database, first_row, now, rows
from service.tables import keys

SCOPES = ("submit", "read", "review", "metrics", "admin")
"""`submit`: send images, cancel and delete own jobs; `read`: own jobs and results; `review`: judge sperm;
`metrics`: /metrics; `admin`: all of these, and everybody's jobs."""

DEFAULT_SCOPES = ("submit", "read", "review")


@dataclass(frozen=True)
class Identity:
    """Who asks.

    Attributes:
        key_id: empty without keys.
        name: of the key.
        scopes: what it may.
    """

    key_id: str
    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether a scope is theirs."""
        return scope in self.scopes or "admin" in self.scopes

    @property
    def owner(self) -> str | None:
        """Whose jobs they see; None: everybody's."""
        return None if "admin" in self.scopes else self.key_id


LOCAL = Identity("", "local", frozenset(SCOPES))
"""Who asks from this machine while there are no keys."""


class KeyStore:
    """The keys of a service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def any(self) -> bool:
        """Whether a key was ever made: from then on one is needed."""
        return self._database.read(lambda c: c.execute(select(keys.c.id).limit(1)).first() is not None)

    def usable(self) -> bool:
        """Whether there is a key that is neither revoked nor expired."""
        return any(_is_good(row, self._database.read(now)) for row in self.list())

    def create(
        self, name: str, scopes: Iterable[str] = DEFAULT_SCOPES, days: float | None = None
    ) -> tuple[str, str]:
        """Make a key.

        Returns:
            Its id and the key itself, which nobody can show again.

        Raises:
            CS3Error: no name, or an unknown scope.
        """
        wanted = list(dict.fromkeys(scopes))
        if unknown := sorted(set(wanted) - set(SCOPES)):
            raise CS3Error(
                f"expected scopes of {', '.join(SCOPES)}, found {', '.join(unknown)}; correct them"
            )
        if not wanted:
            raise CS3Error(f"expected at least one scope of {', '.join(SCOPES)}, found none; name one")
        if not 1 <= len(name) <= 100:
            raise CS3Error("expected a name of 1 to 100 characters for the key; name who will use it")
        key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)

        def add(connection: Connection) -> None:
            at = now(connection)
            if connection.execute(select(keys.c.id).where(keys.c.id == key_id)).first():
                return
            connection.execute(
                insert(keys).values(
                    id=key_id,
                    name=name,
                    scopes=wanted,
                    secret_sha256=_hash(secret),
                    created_at=at,
                    expires_at=None if days is None else at + days * 86400,
                )
            )

        self._database.write(add)
        return key_id, f"cs3_{key_id}_{secret}"

    def rotate(self, key_id: str, grace_hours: float = 24) -> str:
        """Give a key a new secret; the old one works for a while yet.

        Raises:
            CS3Error: there is no such key, or it is revoked.
        """
        secret = secrets.token_urlsafe(32)

        def change(connection: Connection) -> None:
            row = self._existing(connection, key_id)
            if row["secret_sha256"] == _hash(secret):
                return
            connection.execute(
                update(keys)
                .where(keys.c.id == key_id)
                .values(
                    secret_sha256=_hash(secret),
                    old_sha256=row["secret_sha256"],
                    old_until=now(connection) + grace_hours * 3600,
                )
            )

        self._database.write(change)
        return f"cs3_{key_id}_{secret}"

    def revoke(self, key_id: str) -> None:
        """Let a key work no more.

        Raises:
            CS3Error: there is no such key, or it is revoked already.
        """

        def end(connection: Connection) -> None:
            self._existing(connection, key_id)
            connection.execute(update(keys).where(keys.c.id == key_id).values(revoked_at=now(connection)))

        self._database.write(end)

    def list(self) -> Sequence[Mapping[str, Any]]:
        """All keys, by age; without secrets."""
        columns = [c for c in keys.c if c.name not in ("secret_sha256", "old_sha256")]
        query = select(*columns).order_by(keys.c.created_at)
        return self._database.read(lambda c: rows(c.execute(query)))

    def identify(self, key: str) -> Identity | None:
        """Whose key this is; None where it is nobody's, or no more."""
        prefix, _, rest = key.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != "cs3" or not secret or len(key) > 200 or not key.isascii():
            return None

        def find(connection: Connection) -> Identity | None:
            row = first_row(connection.execute(select(keys).where(keys.c.id == key_id)))
            at = now(connection)
            if row is None or not _is_good(row, at):
                return None
            given = _hash(secret)
            old = row["old_sha256"] if (row["old_until"] or 0) > at else None
            if not (
                hmac.compare_digest(given, row["secret_sha256"]) or (old and hmac.compare_digest(given, old))
            ):
                return None
            return Identity(row["id"], row["name"], frozenset(row["scopes"]))

        return self._database.read(find)

    def touch(self, key_ids: Iterable[str]) -> None:
        """Note that keys were used."""
        ids = list(key_ids)

        def note(connection: Connection) -> None:
            connection.execute(update(keys).where(keys.c.id.in_(ids)).values(last_used_at=now(connection)))

        self._database.write(note)

    @staticmethod
    def _existing(connection: Connection, key_id: str) -> Mapping[str, Any]:
        row = first_row(connection.execute(select(keys).where(keys.c.id == key_id)))
        if row is None or row["revoked_at"] is not None:
            known = connection.scalar(select(func.count()).where(keys.c.revoked_at.is_(None)))
            raise CS3Error(
                f"expected the id of one of {known} keys, found {key_id!r}; see `cs3 service keys list`"
            )
        return row


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _is_good(row: Mapping[str, Any], at: float) -> bool:
    return row["revoked_at"] is None and (row["expires_at"] is None or row["expires_at"] > at)
