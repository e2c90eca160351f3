"""Download one file of known size over HTTP so that an interruption costs nothing that had already come.

A partial file is continued with a `Range` request. A server that ignores ranges, a partial file that cannot
be right, and a connection that breaks are all met by asking again for what is missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import httpx

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes that there will be."""

ATTEMPTS_WITHOUT_PROGRESS = 4
FIRST_PAUSE_S = 1.0
TIMEOUT = httpx.Timeout(60.0, connect=20.0)


class DownloadError(Exception):
    """The file did not come; the text says why, in words that end a sentence."""


class _InterruptedError(Exception):
    """This request ended early, and another may do better."""


def download(url: str, part: Path, size: int, progress: Progress) -> None:
    """Bring `part` to exactly `size` bytes of `url`; what it already holds is taken as the file's beginning.

    Args:
        url: http or https; redirects are followed.
        part: the partial file; it stays where it is when the download breaks off.
        size: bytes of the whole file.
        progress: told after every chunk.

    Raises:
        DownloadError: no connection, no such file, another file, or again and again broken off.
        OSError: the part cannot be written.
    """
    connected, idle = False, 0
    with httpx.Client(
        follow_redirects=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"}
    ) as client:
        while (have := _usable_bytes(part, size)) < size:
            try:
                _receive(client, url, part, have, size=size, progress=progress)
                reason = "the server ended the transfer early"
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if not connected:  # no network at all: waiting would not help
                    raise DownloadError(f"no connection to {httpx.URL(url).host} ({error})") from error
                reason = str(error)
            except (httpx.HTTPError, _InterruptedError) as error:
                reason = str(error) or type(error).__name__
            connected = True
            idle = 0 if _usable_bytes(part, size) > have else idle + 1
            if idle == ATTEMPTS_WITHOUT_PROGRESS:
                raise DownloadError(f"the transfer broke off {idle} times without progress ({reason})")
            if idle:
                time.sleep(FIRST_PAUSE_S * 2 ** (idle - 1))
    progress(size, size)


def _usable_bytes(part: Path, size: int) -> int:
    """Bytes that a partial file contributes; one larger than the whole is of another file and is deleted."""
    if not part.exists():
        return 0
    have = part.stat().st_size
    if have > size:
        part.unlink()
        return 0
    return have


def _receive(client: httpx.Client, url: str, part: Path, have: int, *, size: int, progress: Progress) -> None:
    """One request: append to `part` what comes from byte `have` on, or rewrite it if the server sends all."""
    headers = {"Range": f"bytes={have}-"} if have else {}
    with client.stream("GET", url, headers=headers) as response:
        have = _first_byte(response, part, have)
        _check_size(response, have, size)
        with part.open("ab" if have else "wb") as file:
            for chunk in response.iter_raw():  # as it comes: gathering would lose what a break cuts off
                have += len(chunk)
                if have > size:
                    file.truncate(0)
                    raise DownloadError(f"the server sends more than the expected {size:,} bytes")
                file.write(chunk)
                progress(have, size)


def _first_byte(response: httpx.Response, part: Path, asked: int) -> int:
    """Where in the file the response's body begins, from status and `Content-Range` (RFC 9110, 14.4)."""
    status = response.status_code
    if status == HTTPStatus.OK:
        return 0
    if status == HTTPStatus.PARTIAL_CONTENT and asked:
        if response.headers.get("Content-Range", "").startswith(f"bytes {asked}-"):
            return asked
        part.unlink()
        raise _InterruptedError("the server sent another range than the one asked for")
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and asked:
        part.unlink()
        raise _InterruptedError("the server refused to continue the partial file")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise _InterruptedError(f"the server answered {status} {response.reason_phrase}")
    raise DownloadError(f"the server answered {status} {response.reason_phrase}")


def _check_size(response: httpx.Response, have: int, size: int) -> None:
    """Refuse another file, a login page say, before it replaces what is there."""
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and have + int(length) != size:
        raise DownloadError(f"the server offers a file of {have + int(length):,} bytes instead of {size:,}")
