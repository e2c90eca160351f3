"""Which images belong together: by a date or another field of their names, by a list; never at random."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import date

from cascade.errors import AnnotationError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def select_images(
    names: Sequence[str],
    *,
    images: Collection[str] | None = None,
    until: date | None = None,
    after: date | None = None,
) -> list[str]:
    """The names that pass every filter, in the order given.

    Args:
        names: file names of the images that the truth holds.
        images: file names to keep; all where None.
        until, after: keep images whose names hold a date (`YYYY-MM-DD`) up to and including, or later than,
            this one.

    Raises:
        AnnotationError: `images` holds an unknown name, or a name to filter by holds no date.
    """
    unknown = sorted(set(images or ()) - set(names))
    if unknown:
        raise AnnotationError(f"expected images that the truth holds, found {unknown[0]!r}; correct the list")
    chosen = [name for name in names if images is None or name in images]
    if until is not None:
        chosen = [name for name in chosen if date_in(name) <= until]
    if after is not None:
        chosen = [name for name in chosen if date_in(name) > after]
    return chosen


def date_in(name: str) -> date:
    """The first date (`YYYY-MM-DD`) in a file name.

    Raises:
        AnnotationError: it holds none.
    """
    written = _DATE.search(name)
    try:
        return date.fromisoformat(written.group() if written else "")
    except ValueError as error:
        raise AnnotationError(
            f"expected a date (YYYY-MM-DD) in every name to filter by, found {name!r}; list images instead"
        ) from error


def date_groups(names: Sequence[str], count: int = 4) -> list[list[str]]:
    """Images in groups of consecutive dates, about as many in each; no date is divided.

    Of all ways to cut, the one whose groups are the most even (smallest sum of squared sizes).

    Raises:
        AnnotationError: a name holds no date, or there are fewer dates than groups.
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"expected at least one group, got {count}")
    days: dict[date, list[str]] = {}
    for name in sorted(names, key=date_in):
        days.setdefault(date_in(name), []).append(name)
    if len(days) < count:
        raise AnnotationError(
            f"expected at least {count} dates to make groups of, found {len(days)}; ask for fewer groups"
        )
    return [[name for day in group for name in day] for group in _cut(list(days.values()), count)]


def _cut(days: Sequence[list[str]], count: int) -> list[list[list[str]]]:
    """Runs of days, as even as the days allow: the smallest sum of squared sizes, by dynamic programming."""
    ends = [0]
    for day in days:
        ends.append(ends[-1] + len(day))
    best: list[dict[int, tuple[int, int]]] = [{0: (0, 0)}]  # by groups made: days used → cost, cut before
    for _ in range(count):
        row: dict[int, tuple[int, int]] = {}
        for stop in range(1, len(days) + 1):
            ways = [
                (cost + (ends[stop] - ends[start]) ** 2, start)
                for start, (cost, _) in best[-1].items()
                if start < stop
            ]
            if ways:
                row[stop] = min(ways)
        best.append(row)
    groups: list[list[list[str]]] = []
    stop = len(days)
    for row in reversed(best[1:]):
        start = row[stop][1]
        groups.insert(0, list(days[start:stop]))
        stop = start
    return groups


def field_groups(names: Sequence[str], pattern: str) -> dict[str, list[str]]:
    """Images by a field of their names, such as a patient's or a slide's number.

    Args:
        names: file names.
        pattern: regular expression; its first group, or all of it where it has none, is the field.

    Returns:
        Field → names, fields in order.

    Raises:
        AnnotationError: the pattern is none, or does not fit a name.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise AnnotationError(f"expected a regular expression, found {pattern!r} ({error})") from error
    groups: dict[str, list[str]] = {}
    for name in names:
        found = compiled.search(name)
        field = None if found is None else found[1] if compiled.groups else found[0]
        if field is None:
            raise AnnotationError(
                f"expected the field {pattern!r} in every name, found {name!r}; correct the pattern"
            )
        groups.setdefault(field, []).append(name)
    return dict(sorted(groups.items()))
