"""`sperm.csv`: a row a sperm, units in the column names."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from typing import TextIO

Value = bool | int | float | str | None
Row = Mapping[str, Value]

FIRST_COLUMNS = ("file_name", "sperm_id", "score", "complete")


def columns(rows: Iterable[Row], known: Iterable[str] = FIRST_COLUMNS) -> list[str]:
    """The known columns, then all further ones in the order of their first appearance."""
    found = dict.fromkeys(known)
    for row in rows:
        found |= dict.fromkeys(row)
    return list(found)


def write(handle: TextIO, names: Iterable[str], rows: Iterable[Row]) -> None:
    """Write a header and one line a row.

    Unknown values (None, not a number) are empty fields, truths are `true` and `false`, and fractions have
    seven significant digits, more than any of them is worth.
    """
    names = list(names)
    writer = csv.writer(handle, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_field(row.get(name)) for name in names])


def _field(value: Value) -> str | int:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.7g}" if math.isfinite(value) else ""
    return value
