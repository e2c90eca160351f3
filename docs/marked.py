"""Pages of which a script writes a part: it lies between two lines that mark it."""

from __future__ import annotations


def between(page: str, begin: str, end: str, made: str) -> str:
    """The page with `made` between its marks.

    Args:
        page: its text.
        begin, end: the lines that mark the part, each with its line break.
        made: the part.

    Raises:
        ValueError: the page lacks a mark.
    """
    before, first, rest = page.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise ValueError(f"expected a page with the lines {begin!r} and {end!r}, found not both; put them in")
    return f"{before}{begin}{made}{end}{after}"
