"""Where the service is, with which key it is asked, and for how long."""

from __future__ import annotations

import os
from collections.abc import Mapping

import httpx

from service.client.errors import ServiceError

URL_VARIABLE, KEY_VARIABLE = "CS3_REMOTE_URL", "CS3_REMOTE_KEY"
DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT = httpx.Timeout(300.0, connect=10.0)
"""A single image may take minutes on a busy machine; whether anybody is there shows sooner."""


def service_url(given: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The service's address: as given, else of `CS3_REMOTE_URL`, else this machine's.

    Raises:
        ServiceError: it is no HTTP address.
    """
    said = given or environment.get(URL_VARIABLE) or DEFAULT_URL
    try:
        url = httpx.URL(said)
    except httpx.InvalidURL as error:
        raise ServiceError(f"expected an address such as {DEFAULT_URL}, got {said!r} ({error})") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ServiceError(f"expected an address such as {DEFAULT_URL}, got {said!r}")
    return said.rstrip("/") + "/"


def headers_for(key: str | None, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What every request says: who asks, and with which key (as given, else of `CS3_REMOTE_KEY`).

    Raises:
        ServiceError: the key holds what no key holds.
    """
    key = (key or environment.get(KEY_VARIABLE) or "").strip()
    if not key:
        return {"User-Agent": "cs3-client"}
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ServiceError(
            "expected an API key as `cs3 service keys` printed it, got other characters; copy it again"
        )
    return {"User-Agent": "cs3-client", "Authorization": f"Bearer {key}"}
