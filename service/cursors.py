"""Cursors of pages: opaque to clients, and refused when they are not ours."""

from __future__ import annotations

import base64
import binascii
import re

from service.errors import invalid


def write_cursor(value: str | int) -> str:
    """Where the next page begins."""
    return base64.urlsafe_b64encode(str(value).encode()).decode().rstrip("=")


def read_cursor(cursor: str, pattern: str) -> str:
    """The value that `write_cursor` was given.

    Raises:
        ProblemError: it was given no such value.
    """
    try:
        value = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (ValueError, binascii.Error, UnicodeError):
        value = ""
    if not re.fullmatch(pattern, value):
        raise invalid("cursor", "expected a next_cursor of an earlier page, found another value")
    return value
