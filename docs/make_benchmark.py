"""Write what docs/benchmark.md generates: the schema of results.json, and the tables of a run.

python docs/make_benchmark.py          the schema, in the page and as results.schema.json
python docs/make_benchmark.py OUT      the same, and the tables of the run in OUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from marked import between

from cascade.benchmark.report.summary import markdown
from cascade.benchmark.results import RESULTS, read_results, schema

DOCS = Path(__file__).resolve().parent
PAGE, SCHEMA = DOCS / "benchmark.md", DOCS / "results.schema.json"
_SCHEMA = "<!-- schema: python docs/make_benchmark.py -->\n", "<!-- end of schema -->\n"
_TABLES = "<!-- tables: python docs/make_benchmark.py OUT -->\n", "<!-- end of tables -->\n"


def main(arguments: list[str]) -> None:
    """Replace what lies between the page's marks."""
    SCHEMA.write_text(schema_text(), "utf-8")
    page = renewed(PAGE.read_text("utf-8"))
    for out in arguments:
        page = between(page, *_TABLES, "\n" + markdown(read_results(Path(out) / RESULTS)) + "\n")
    PAGE.write_text(page, "utf-8")


def renewed(page: str) -> str:
    """The page with the current schema.

    Raises:
        ValueError: the page lacks its marks.
    """
    return between(page, *_SCHEMA, tables())


def schema_text() -> str:
    """What `results.schema.json` holds."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def tables() -> str:
    """A table for the document, and one for every kind of entry in it."""
    whole = schema()
    kinds = {"The document": whole, **whole["$defs"]}
    parts = []
    for name, kind in kinds.items():
        lines = [f"**{name}**: {_words(kind.get('description', ''))}\n", "| key | value |", "| --- | --- |"]
        for key, field in kind["properties"].items():
            meaning = _words(field.get("description", ""))
            lines.append(f"| `{key}` | {'; '.join(part for part in (_type(field), meaning) if part)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n" + "\n".join(parts) + "\n"


def _words(text: str) -> str:
    return " ".join(text.split())


def _type(field: dict[str, Any]) -> str:
    """What a field holds, in words."""
    if "$ref" in field:
        return field["$ref"].rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"])
    if "const" in field:
        return str(field["const"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if field.get("type") == "object":
        return f"name → {_type(field['additionalProperties'])}"
    return {"string": "text", "integer": "whole number"}.get(str(field.get("type")), str(field.get("type")))


if __name__ == "__main__":
    main(sys.argv[1:])
