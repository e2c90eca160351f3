"""When to try again, and how long to wait before."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from service.client.errors import ProblemError, UnreachableError, problem_of
from service.client.operations import Call

BUSY = frozenset({429, 502, 503, 504})
"""Answers of a service, or of a proxy before it, that pass."""


@dataclass(frozen=True)
class Patience:
    """How long a client puts up with a busy or absent service.

    Attributes:
        tries: how often a request is made at most while the service does not say when to come back.
        longest: seconds that are waited at most, in all, where it does (`Retry-After`).
        first: seconds before the second try where it does not; doubled every time, up to 30 s.
    """

    tries: int = 8
    longest: float = 600.0
    first: float = 0.5

    def __post_init__(self) -> None:
        if self.tries < 1 or self.longest < 0 or self.first < 0:
            raise ValueError(f"expected at least one try and no negative seconds, got {self}")

    def wait(self, tried: int, waited: float = 0.0, headers: Mapping[str, str] | None = None) -> float | None:
        """Seconds to wait after `tried` tries and `waited` seconds; None: give up.

        Args:
            tried: 1 after the first try.
            waited: seconds waited before, in all.
            headers: of the answer, where there was one.
        """
        told = retry_after(headers or {})
        if told is not None:
            return told if waited + told <= self.longest else None
        if tried >= self.tries:
            return None
        # Clients that were refused together should not come back together.
        return min(30.0, self.first * 2.0 ** (tried - 1)) * random.uniform(0.75, 1.25)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that `Retry-After` asks for, in seconds or as a date (RFC 9110, 10.2.3); None if neither."""
    said = headers.get("retry-after", headers.get("Retry-After", "")).strip()
    if said.isdecimal():
        return float(said)
    try:
        when = parsedate_to_datetime(said)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def judge(
    call: Call,
    tried: int,
    waited: float,
    patience: Patience,
    outcome: httpx.Response | httpx.TransportError,
) -> float | None:
    """What to do after `tried` tries and `waited` seconds: None, take the response; or seconds to wait.

    Raises:
        ProblemError: the service refused.
        UnreachableError: it did not answer, and trying again is of no use or no longer wanted.
    """
    if isinstance(outcome, httpx.Response):
        if not outcome.is_error:
            return None
        wait = patience.wait(tried, waited, outcome.headers) if outcome.status_code in BUSY else None
        if wait is None:
            raise ProblemError(problem_of(outcome))
        return wait
    unsent = isinstance(outcome, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    wait = patience.wait(tried) if unsent or call.again else None
    if wait is None:
        raise unreachable(outcome, tried) from outcome
    return wait


def unreachable(error: httpx.TransportError, tried: int) -> UnreachableError:
    """Say it so that somebody can act on it."""
    try:
        where = f"{error.request.url.scheme}://{error.request.url.netloc.decode('ascii')}"
    except RuntimeError:  # an error without a request
        where = "the service"
    why = str(error) or type(error).__name__
    often = f" after {tried} tries" if tried > 1 else ""
    return UnreachableError(
        f"expected an answer of {where}, found none{often} ({why}); "
        "check the address, and that the service runs"
    )
