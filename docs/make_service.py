"""Write the table of settings in docs/service.md anew, from the settings themselves.

python docs/make_service.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from marked import between

from service.settings import Settings

PAGE = Path(__file__).resolve().parent / "service.md"
BEGIN, END = "<!-- settings: python docs/make_service.py -->\n", "<!-- end of settings -->\n"
_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"))
_PLACES = {"data": "the user's data folder"}  # differs from machine to machine


def main() -> None:
    """Replace what lies between the page's marks."""
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")


def renewed(page: str) -> str:
    """The page with a current table.

    Raises:
        ValueError: the page lacks its marks.
    """
    return between(page, BEGIN, END, table())


def table() -> str:
    """Variable, default, meaning."""
    lines = ["| `CS3_SERVICE_…` | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = _PLACES.get(name) or _shown(name, field.default)
        meaning = " ".join((field.description or "").split())
        lines.append(f"| `{name.upper()}` | {default} | {meaning} |")
    return "\n" + "\n".join(lines) + "\n\n"


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name.endswith("_bytes"):
        for size, unit in _UNITS:
            if value % size == 0:
                return f"{value} ({value // size} {unit})"
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
