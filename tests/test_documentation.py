"""What README and docs promise: links lead somewhere, commands and options exist, tables are current."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
import typer

from cascade.cli import app
from cascade.config import CS3Config
from cascade.images import read_image

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "cascade/examples/README.md"]
EXAMPLES = sorted((ROOT / "cascade" / "examples").glob("*.png"))


def script(name):
    """The names that a script of docs/ defines."""
    return runpy.run_path(str(ROOT / "docs" / f"{name}.py"))


def commands(page):
    """Lines of code blocks that call cs3, as words."""
    lines = re.findall(r"^ {4}(cs3 .+)$", page.read_text("utf-8"), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_configuration_tables_are_current():
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert page == script("make_configuration")["renewed"](page), "run: python docs/make_configuration.py"


def test_every_threshold_has_a_meaning():
    stages = (type(getattr(CS3Config(), name)) for name in CS3Config.model_fields)
    silent = [key for stage in stages for key, field in stage.model_fields.items() if not field.description]
    assert silent == []


def test_thresholds_named_in_the_docs_exist():
    stages = CS3Config().model_dump()
    for page in PAGES:
        for stage, key in re.findall(rf"`({'|'.join(stages)})\.(\w+)`", page.read_text("utf-8")):
            assert key in stages[stage] or key == "py", f"{page.name}: {stage}.{key}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page):
    root = typer.main.get_command(app)
    for words in commands(page):
        command = root.commands[words[1]]
        options = {
            name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)
        }
        forwarded = command.context_settings.get("ignore_unknown_options", False)
        for word in words[2:]:
            assert not word.startswith("-") or forwarded or word in options, (
                f"{page.name}: {shlex.join(words)}"
            )


def test_readme_shows_commands():
    named = {words[1] for words in commands(ROOT / "README.md")}
    assert {"segment", "explain", "synthesize", "score", "models"} <= named


def test_readme_picture_is_small_enough_for_a_page():
    assert (ROOT / "docs" / "images" / "overlay.png").stat().st_size < 600_000


def test_examples_are_as_documented():
    page = (ROOT / "cascade" / "examples" / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `(.+\.png)` \| (.+) \| (\d+)×(\d+) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    documented = {
        name: (int(seed), (int(height), int(width)), float(head_length), stain)
        for name, stain, width, height, head_length, seed in rows
    }
    examples = script("make_pictures")["EXAMPLES"]
    assert documented == {
        name: (one.seed, one.shape, one.head_length, one.stain) for name, one in examples.items()
    }
    assert sorted(documented) == [path.name for path in EXAMPLES]
    assert sum(path.stat().st_size for path in EXAMPLES) < 3_000_000


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_can_be_read(path):
    pixels = read_image(path).pixels
    assert pixels.shape == (*script("make_pictures")["EXAMPLES"][path.name].shape, 3)
