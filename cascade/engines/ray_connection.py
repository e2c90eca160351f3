"""Joins a Ray cluster, or starts a Ray of our own that this machine alone can reach."""

from __future__ import annotations

import ipaddress
import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from cascade.engines.address import RAY, check_within_reach
from cascade.engines.protocol import TRIES
from cascade.errors import DeviceError

_OPTIONS: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
_LONGEST = 300  # characters of an error that are told
_VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nobody is told that we run
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # off, a Ray of our own listens on loopback alone, on Linux too
    "RAY_worker_niceness": "0",  # Ray would have its workers step back by 15, and starve beside other work
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of what it will do some day
}


def import_ray(address: str) -> Any:
    """The module `ray`, told what it reads from the environment when it is imported.

    Args:
        address: what is to be connected to afterwards.
    """
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    if address == RAY:  # else Ray keeps one in the user's home
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    kept = Path.home() / ".ray" / "auth_token"
    if kept.exists() or os.environ.keys() & {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}:
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # where a cluster needs none, it does no harm
    import ray  # noqa: PLC0415  slow, and an extra

    return ray


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module `ray`, connected for the time of a `with` block.

    Args:
        address: `ray` starts a Ray for this block, `ray://HOST:PORT` joins a cluster.

    Raises:
        DeviceError: Ray is not installed, does not answer, does not start, or takes others than us.
    """
    check_within_reach(address)
    ray = import_ray(address)
    import_module("cascade.engines.ray_actor")  # now: once connected, ray.method takes fewer arguments
    # Short, because sockets lie in it; of our own, because nobody else is to open them.
    folder = tempfile.mkdtemp(prefix="cs3-ray-", dir="/tmp") if address == RAY else None
    try:
        with _own_signals():
            if folder is None:
                _join(ray, address)
            else:
                _start(ray, folder)
        yield ray
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _join(ray: Any, address: str) -> None:
    for left in reversed(range(TRIES)):
        try:
            ray.init(address, **_OPTIONS)
            return
        except Exception as error:  # of many kinds, other versions of Ray or Python among them
            if left and isinstance(error, ConnectionAbortedError):  # the head is too busy to be quick
                continue
            raise DeviceError(
                f"expected a Ray cluster at {address}, found none that takes us ({brief(error)}); Ray and "
                "Python must be of the same version there, and RAY_AUTH_TOKEN its token where it has one"
            ) from error


def _start(ray: Any, folder: str) -> None:
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        ray.init("local", num_cpus=processors, include_dashboard=False, _temp_dir=folder, **_OPTIONS)
    except Exception as error:
        raise DeviceError(f"expected to start Ray on this machine, found: {brief(error)}") from error
    where = [node["NodeManagerAddress"] for node in ray.nodes()]
    if not all(ipaddress.ip_address(one).is_loopback for one in where):
        raise DeviceError(
            f"expected a Ray on loopback alone, found one at {', '.join(where)}; set "
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 before Ray is imported"
        )


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself; it stays with whoever had it."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)


def brief(error: BaseException) -> str:
    """An error in one line: Ray's messages have many."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST]
