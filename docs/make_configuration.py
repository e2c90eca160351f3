"""Write the tables of docs/configuration.md anew, from the configuration itself.

python docs/make_configuration.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from marked import between

from cascade.config import CS3Config

PAGE = Path(__file__).resolve().parent / "configuration.md"
BEGIN, END = "<!-- tables: python docs/make_configuration.py -->\n", "<!-- end of tables -->\n"


def main() -> None:
    """Replace what lies between the page's marks."""
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")


def renewed(page: str) -> str:
    """The page with current tables.

    Raises:
        ValueError: the page lacks its marks.
    """
    return between(page, BEGIN, END, tables())


def tables() -> str:
    """A table a stage: key, default, the paper's value where it differs, what is allowed, meaning."""
    default, paper = CS3Config().model_dump(mode="json"), CS3Config.paper().model_dump(mode="json")
    schema = CS3Config.model_json_schema()
    parts: list[str] = []
    for stage in schema["properties"]:
        described = schema["$defs"][type(getattr(CS3Config(), stage)).__name__]
        parts += _of_stage(stage, described, default[stage], paper[stage], schema["$defs"])
    return "\n" + "\n".join(parts) + "\n"


def _of_stage(
    name: str,
    described: dict[str, Any],
    default: dict[str, Any],
    paper: dict[str, Any],
    known: dict[str, Any],
) -> list[str]:
    """The table of a stage, then those of the groups of values inside it."""
    lines = [f"## {name}\n", f"{described['description']}\n"]
    heading = ["| key | default | paper | allowed | meaning |", "| --- | --- | --- | --- | --- |"]
    rows, groups = [], []
    for key, field in described["properties"].items():
        meaning = " ".join(field.get("description", "").split())
        if "$ref" in field:
            inner = known[field["$ref"].rpartition("/")[2]]
            told = inner | {"description": meaning}
            groups += _of_stage(f"{name}.{key}", told, default[key], paper[key], known)
            continue
        shown = _value(paper[key]) if paper[key] != default[key] else ""
        rows.append(f"| `{key}` | {_value(default[key])} | {shown} | {_allowed(field)} | {meaning} |")
    return [*(["\n".join([*lines, *heading, *rows]) + "\n"] if rows else []), *groups]


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "true" if value else "false"
    return (
        f"{value:.3g}" if isinstance(value, float) else f"`{value}`" if isinstance(value, str) else str(value)
    )


def _allowed(field: dict[str, Any]) -> str:
    kinds = field.get("anyOf", [field])
    texts = [_range(kind) for kind in kinds if kind.get("type") != "null"]
    return " or ".join(texts)


def _range(kind: dict[str, Any]) -> str:
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    if kind.get("type") == "boolean":
        return "true, false"
    bounds = (
        ("≥ ", "minimum"),
        ("> ", "exclusiveMinimum"),
        ("≤ ", "maximum"),
        ("< ", "exclusiveMaximum"),
    )
    limits = [f"{sign}{kind[name]:g}" for sign, name in bounds if name in kind]
    return ", ".join([*(["whole"] if kind.get("type") == "integer" else []), *limits])


if __name__ == "__main__":
    main()
