"""What containers and the systemd unit name exists: commands, settings, files, extras."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from service.cli import app
from service.settings import Settings

DOCKER = Path(__file__).parents[2] / "docker"
FILES = [path for path in sorted(DOCKER.rglob("*")) if path.is_file()]


def compose(name="compose.yaml"):
    return yaml.safe_load((DOCKER / name).read_text("utf-8"))


def commands(group):
    """Paths of all sub-commands: ("service", "start"), …"""
    for name, command in group.commands.items():
        yield (name,)
        if hasattr(command, "commands"):
            yield from ((name, *rest) for rest in commands(command))


def test_commands_exist():
    known = {("service", *path) for path in commands(typer.main.get_command(app))}
    containers = {tuple(one["command"]) for one in compose()["services"].values() if "command" in one}
    default = re.search(r"^CMD \[(.+)\]$", (DOCKER / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    unit = re.search(
        r"^ExecStart=\S+/cs3 (.+)$", (DOCKER / "systemd/cs3.service").read_text("utf-8"), re.MULTILINE
    )
    used = containers | {
        tuple(re.findall(r"\w+", default[1])),
        tuple(unit[1].split()),
        ("service", "keys", "create"),
    }
    assert used <= known
    assert "service keys create" in (DOCKER / "compose.yaml").read_text("utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_settings_exist(path):
    named = set(re.findall(r"CS3_SERVICE_([A-Z_]+)", path.read_text("utf-8")))
    assert named <= {name.upper() for name in Settings.model_fields}


def test_the_database_is_one_that_the_service_takes():
    url = compose()["services"]["api"]["environment"]["CS3_SERVICE_DATABASE_URL"]
    plain = re.sub(r"\$\{.+?\}", "secret", url)
    assert Settings(database_url=plain).database == plain


def test_containers_have_no_more_than_they_need():
    services = compose()["services"]
    for name in ("api", "worker"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
    assert services["api"]["ports"][0].startswith("${CS3_PUBLISH:-127.0.0.1:")
    assert "ports" not in services["database"]
    assert re.search(r"^USER 10001:10001$", (DOCKER / "Dockerfile").read_text("utf-8"), re.MULTILINE)


def test_stages_exist():
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (DOCKER / "Dockerfile").read_text("utf-8"), re.MULTILINE))
    targets = {
        service["build"]["target"]
        for name in ("compose.yaml", "compose.gpu.yaml")
        for service in compose(name)["services"].values()
        if "build" in service
    }
    assert targets == {"cpu", "gpu"} <= stages
    copied = re.findall(r"^COPY --from=(\S+)", (DOCKER / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert set(copied) <= stages


def test_requirements_are_those_of_the_extra():
    command = [sys.executable, str(DOCKER / "list_requirements.py"), "dev"]
    lines = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=DOCKER.parent
    ).stdout.splitlines()
    assert any(line.startswith("fastapi") for line in lines)  # of cs3[service], which dev names
    assert any(line.startswith("torch>") for line in lines)
    assert not any(line.startswith("cs3") for line in lines)
    unknown = subprocess.run(
        [*command[:-1], "tea"], capture_output=True, text=True, check=False, cwd=DOCKER.parent
    )
    assert "expected an extra of" in unknown.stderr
