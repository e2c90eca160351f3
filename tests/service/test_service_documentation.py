"""docs/service.md says what the settings and the commands are."""

import re
import runpy
from pathlib import Path

import typer

from service.cli import app
from service.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "service.md").read_text("utf-8")


def test_the_table_of_settings_is_current():
    renewed = runpy.run_path(str(DOCS / "make_service.py"))["renewed"]
    assert renewed(PAGE) == PAGE, "run: python docs/make_service.py"


def test_every_setting_has_a_meaning():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_commands_and_variables_exist():
    commands = typer.main.get_command(app).commands
    assert set(re.findall(r"`cs3 service ([a-z]+)", PAGE)) <= set(commands)
    known = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"CS3_SERVICE_([A-Z_]+[A-Z])", PAGE)) <= known
