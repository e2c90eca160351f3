"""Results as Markdown: tables that read well as plain text too."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cascade.exports.atomic import whole_text

Row = Sequence[str]


def table(columns: Row, rows: Sequence[Row]) -> str:
    """A Markdown table; the first column is text, the others are numbers and stand at the right."""
    widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_line(columns, widths), "| " + " | ".join(rule) + " |", *(_line(row, widths) for row in rows)]
    return "\n".join(lines) + "\n"


def _line(row: Row, widths: Sequence[int]) -> str:
    first, *others = row
    cells = [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(others, widths[1:], strict=True))]
    return "| " + " | ".join(cells) + " |"


def basis(document: Mapping[str, Any]) -> str:
    """One sentence: which model on which images, compared with whom, on what."""
    images, truths = len(document["images"]), len(document["truths"])
    text = (
        f"Model `{document['model']}` (sha256 `{document['model_sha256'][:12]}…`) on {images} "
        f"image{'s' * (images != 1)}; figures averaged over {truths} truth{'s' * (truths != 1)}; seconds are "
        f"medians over the images, on {document['device']}."
    )
    return textwrap.fill(text, 108) + "\n"


def write_report(out: Path, name: str, document: Mapping[str, Any], text: str) -> None:
    """Write `name.json` and `name.md`.

    Raises:
        OutputError: the folder cannot be written.
    """
    with whole_text(out / f"{name}.md") as handle:
        handle.write(text)
    with whole_text(out / f"{name}.json") as handle:
        json.dump(document, handle, indent=2, allow_nan=False)
        handle.write("\n")
