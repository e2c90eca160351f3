"""Print what the package and its extras need, a line each: `python list_requirements.py service`."""

import re
import sys
import tomllib
from pathlib import Path


def requirements(project: dict, extras: list[str]) -> list[str]:
    """Requirements of a `[project]` table, those of the package's own extras resolved.

    Raises:
        SystemExit: no such extra.
    """
    optional = project.get("optional-dependencies", {})
    found = list(project["dependencies"])
    for extra in extras:
        if extra not in optional:
            sys.exit(f"expected an extra of {', '.join(sorted(optional))}, got {extra}")
        for line in optional[extra]:
            own = re.fullmatch(rf"{re.escape(project['name'])}\[(.+)\]", line.replace(" ", ""))
            found += requirements({**project, "dependencies": []}, own[1].split(",")) if own else [line]
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    table = tomllib.loads((Path.cwd() / "pyproject.toml").read_text("utf-8"))["project"]
    print("\n".join(requirements(table, sys.argv[1:])))
