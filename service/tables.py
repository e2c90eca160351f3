"""The tables of the database. Times are seconds since 1970, UTC."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()
_serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows of INTEGER keys only

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),  # sorts by time
    Column("owner", String(32), nullable=False),  # id of a key; empty without keys
    Column("kind", String(16), nullable=False),
    Column("name", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("settings", JSON, nullable=False),
    Column("skipped", JSON, nullable=False),
    Column("error", Text),
    Column("idempotency_key", String(255)),
    Column("request_sha256", String(64), nullable=False),
    Column("event_seq", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("images_deleted_at", Float),
    Column("deleted_at", Float),
    UniqueConstraint("owner", "idempotency_key"),
    Index("jobs_finished", "finished_at"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", _serial, primary_key=True, autoincrement=True),
    Column("job_id", String(32), ForeignKey("jobs.id"), nullable=False),
    Column("number", Integer, nullable=False),  # from 1
    Column("kind", String(8), nullable=False),  # segment, score
    Column("priority", Integer, nullable=False),  # 0: somebody waits for it
    Column("state", String(16), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("page", Integer),  # from 1, of a file that has several
    Column("blob", Text, nullable=False),  # the file: a range of a blob
    Column("start", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("worker_id", String(32)),
    Column("lease_until", Float),
    Column("queued_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("error", Text),
    Column("width", Integer),
    Column("height", Integer),
    Column("sperm", Integer),
    Column("complete", Integer),
    Column("seconds", Float),
    Column("result", Text),  # blob
    Column("picture", Text),  # blob
    UniqueConstraint("job_id", "number"),
    Index("tasks_claim", "state", "priority", "attempts", "number", "id"),
    Index("tasks_by_job", "job_id", "state"),
)

events = Table(
    "events",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),  # from 1
    Column("type", String(16), nullable=False),
    Column("data", JSON, nullable=False),
)

reviews = Table(
    "reviews",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("sperm_id", Integer, primary_key=True),
    Column("rejected", Boolean, nullable=False),
    Column("comment", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("by", String(100), nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("old_sha256", String(64)),  # after a rotation, for a while
    Column("old_until", Float),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Column("last_used_at", Float),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("model_sha256", String(64)),
    Column("device", String(32), nullable=False),
    Column("state", String(16), nullable=False),  # starting, ready, stopping
    Column("started_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("stats", JSON, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _serial, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("who", String(120), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(300), nullable=False),
    Column("status", Integer, nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
    Index("audit_at", "at"),
)
