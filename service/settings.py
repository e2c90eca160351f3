"""How the service runs: every setting, its unit and its range, from the environment (`CS3_SERVICE_…`)."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cascade.engines.address import LOCAL, checked
from cascade.errors import ConfigError

MIB = 1 << 20
GIB = 1 << 30


class Settings(BaseSettings):
    """All settings. Each is the environment variable of its name in capitals after `CS3_SERVICE_`."""

    model_config = SettingsConfigDict(
        env_prefix="CS3_SERVICE_",
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        populate_by_name=True,
    )

    # -- where
    data: Path = Field(default_factory=lambda: user_data_path("cs3") / "service")
    """Folder for the database, and for images and results unless `blobs_url` says otherwise."""
    database_url: SecretStr | None = None
    """SQLAlchemy URL of a PostgreSQL database, `postgresql://…`; default: SQLite in `data`."""
    blobs_url: SecretStr | None = None
    """fsspec URL for images and results (`s3://bucket/cs3`); default: a folder in `data`."""
    host: str = "127.0.0.1"
    """Address to bind to; anything but loopback needs an API key in the store."""
    port: int = Field(8080, ge=1, le=65535)
    """Port to bind to."""
    forwarded_allow_ips: str = "127.0.0.1"
    """Proxies whose `X-Forwarded-For` is believed, separated by commas."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What the log tells."""

    # -- workers
    model: str = "tiny"
    """A model of `cs3 models list`, or the path of a checkpoint."""
    device: str = "auto"
    """`auto` (every GPU, else the CPU), `cpu`, `cuda` or `cuda:N`."""
    engine: str = Field("local", validation_alias=AliasChoices("CS3_SERVICE_ENGINE", "CS3_ENGINE"))
    """`local`, `ray` (this machine), `ray://HOST:PORT` (a cluster); also as `CS3_ENGINE`."""
    workers: int | None = Field(None, ge=0, le=64)
    """Worker processes of this machine; default: one a GPU, one without; 0: none (they run elsewhere)."""
    worker_threads: int | None = Field(None, ge=1, le=256)
    """Threads of a worker's numerical libraries; default: the processors, shared among the workers."""
    batch_size: int | None = Field(None, ge=1, le=64)
    """Images that a worker has in hand at a time; default: 4 on a GPU, 1 on the CPU."""
    worker_niceness: int = Field(5, ge=0, le=19)
    """By how much workers step back for the API on a busy machine."""
    lease_seconds: float = Field(20, ge=1, le=600)
    """A worker that was not heard of for so long is taken for dead, and its images are given to others."""
    max_attempts: int = Field(3, ge=1, le=10)
    """How often an image is taken up when its workers die over it, until it is failed."""
    image_timeout: float = Field(600, gt=0)
    """Seconds that the work on one image may take."""
    worker_memory_bytes: int | None = Field(None, ge=GIB)
    """Address space of a worker on the CPU; default: no limit of ours."""

    # -- limits on what is sent
    max_body_bytes: int = Field(2 * GIB, ge=MIB)
    """Of one request."""
    max_image_bytes: int = Field(256 * MIB, ge=MIB)
    """Of one image file, also inside a zip."""
    max_image_pixels: int = Field(50_000_000, ge=10_000)
    """Of one image."""
    max_pages: int = Field(200, ge=1)
    """Pages of one TIFF file."""
    max_files: int = Field(2000, ge=1, le=100_000)
    """Files of one request, the entries of a zip included."""
    max_zip_ratio: float = Field(200, gt=1)
    """How much larger than in the zip its content may be."""
    max_queue: int = Field(10_000, ge=1)
    """Images that wait, of all jobs; above it jobs are refused with 429."""
    max_waiting: int = Field(64, ge=1)
    """Requests that wait for their segmentation; above it they are refused with 429."""
    max_uploads: int = Field(64, ge=1)
    """Bodies that are received at a time; above it requests are refused with 429."""
    max_streams: int = Field(256, ge=1)
    """Event streams open at a time."""

    # -- limits on time, seconds
    answer_timeout: float = Field(120, gt=0, le=3600)
    """How long `POST /v1/segmentations` waits for its result before it answers 202."""
    body_timeout: float = Field(30, gt=0)
    """How long a client may send nothing in the middle of a body."""
    body_min_rate: float = Field(8192, ge=0)
    """Bytes a second that a body must bring after its first `body_timeout`, on average."""
    decode_timeout: float = Field(30, gt=0)
    """How long the decoding of one image may take."""
    decode_memory_bytes: int = Field(2 * GIB, ge=256 * MIB)
    """Memory that the decoding of an image may take."""

    # -- how long things are kept, days after a job has ended
    image_retention_days: float | None = Field(30, ge=0)
    """Images (as sent, and the pictures shown); empty: for ever."""
    result_retention_days: float | None = Field(365, ge=0)
    """Results and reviews; empty: for ever."""
    audit_retention_days: float | None = Field(730, ge=1)
    """The audit log; empty: for ever."""

    @field_validator(
        "image_retention_days",
        "result_retention_days",
        "audit_retention_days",
        "workers",
        "worker_threads",
        "batch_size",
        "worker_memory_bytes",
        "database_url",
        "blobs_url",
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("data")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.database_url is not None:
            scheme = urlsplit(self.database_url.get_secret_value()).scheme.partition("+")[0]
            if scheme not in ("sqlite", "postgresql"):
                raise ValueError(
                    f"database_url: expected sqlite:… or postgresql:…, found {scheme or 'no'} scheme"
                )
        try:
            checked(self.engine)
        except ConfigError as error:
            raise ValueError(f"CS3_ENGINE: {error}") from None
        if self.engine != LOCAL and self.device.startswith("cuda:"):
            raise ValueError(
                f"device: expected auto, cpu or cuda with the engine {self.engine}, found {self.device}"
            )
        images, results = self.image_retention_days, self.result_retention_days
        if results is not None and (images is None or images > results):
            raise ValueError(
                f"image_retention_days: expected at most result_retention_days ({results:g}), found "
                f"{'for ever' if images is None else f'{images:g}'}; images do not outlive their results"
            )
        return self

    @classmethod
    def load(cls, **given: Any) -> Settings:
        """Settings from the environment; `given` values that are not None go before it.

        Raises:
            ConfigError: a value of the wrong kind or out of range, by the name of its variable.
        """
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            lines = [
                f"CS3_SERVICE_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}"
                if one["loc"]
                else one["msg"]
                for one in error.errors(include_input=False, include_url=False)
            ]
            raise ConfigError("; ".join(lines)) from None

    @property
    def database(self) -> str:
        """SQLAlchemy URL."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data / 'service.sqlite'}"

    @property
    def blobs(self) -> str:
        """Folder or fsspec URL of images and results."""
        return self.blobs_url.get_secret_value() if self.blobs_url else str(self.data / "blobs")

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def shown(self) -> dict[str, str]:
        """Every setting as text, passwords in URLs left out."""
        return {name: _without_password(getattr(self, name)) for name in type(self).model_fields}

    def environment(self) -> dict[str, str]:
        """Variables that give another process these very settings."""
        values = {}
        for name in self.model_fields_set:
            value = getattr(self, name)
            plain = value.get_secret_value() if isinstance(value, SecretStr) else value
            values[f"CS3_SERVICE_{name.upper()}"] = "" if plain is None else str(plain)
        return values | {"CS3_SERVICE_DATA": str(self.data)}


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _without_password(value: Any) -> str:
    if not isinstance(value, SecretStr):
        return "" if value is None else str(value)
    parts = urlsplit(value.get_secret_value())
    where = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{'***@' if '@' in parts.netloc else ''}{where}{parts.path}"
