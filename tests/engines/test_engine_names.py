import socket

import pytest
from typer.testing import CliRunner

from cascade import cli
from cascade.engines import address
from cascade.engines.address import check_within_reach, checked
from cascade.errors import ConfigError, DeviceError


@pytest.fixture
def nobody():
    """An address at which nothing answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # and does not listen
        yield f"ray://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(address, "find_spec", lambda name: name)


@pytest.mark.parametrize(
    "name", ["local", "ray", "ray://head:10001", "ray://[::1]:10001", "ray://10.0.0.1:1"]
)
def test_names_of_engines(name):
    assert checked(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "Ray", "ray://", "ray://head", "ray://head:", "ray://head:x", "ray://head:99999"),
        *("ray://head:1/x", "ray://me@head:1", "http://head:1", "ray://head:1?a=b", "ray://[::1:1"),
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(ConfigError, match="expected an engine local, ray or ray://HOST:PORT, found"):
        checked(name)


@pytest.mark.parametrize("missing", ["ray", "grpc"])
def test_a_missing_extra_is_found_at_once(missing, monkeypatch):
    monkeypatch.setattr(address, "find_spec", lambda name: None if name == missing else name)
    check_within_reach("local")
    for name in ("ray", "ray://127.0.0.1:1"):
        with pytest.raises(DeviceError, match=r"not installed; pip install 'cs3\[ray\]'"):
            check_within_reach(name)


@pytest.mark.usefixtures("installed")
def test_an_address_that_does_not_answer_is_found_at_once(nobody):
    check_within_reach("ray")
    with pytest.raises(DeviceError, match=r"nobody answers .*; start it .*10001 unless told otherwise"):
        check_within_reach(nobody)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("with_option", [True, False])
def test_segmenting_at_an_address_that_does_not_answer(nobody, with_option, tmp_path):
    example = cli.__file__.replace("cli.py", "examples/papanicolaou.png")
    option = ["--engine", nobody] if with_option else []
    ran = CliRunner().invoke(
        cli.app, ["segment", example, "--out", str(tmp_path / "out"), *option], env={"CS3_ENGINE": nobody}
    )
    assert ran.exit_code == 2
    assert "nobody answers" in " ".join(ran.stderr.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("command", ["start", "workers"])
def test_a_service_at_an_address_that_does_not_answer(nobody, command, tmp_path):
    from service.cli import app

    variables = {"CS3_ENGINE": nobody, "CS3_SERVICE_DATA": str(tmp_path)}
    ran = CliRunner().invoke(app, [command], env=variables)
    assert ran.exit_code == 2
    assert "nobody answers" in " ".join(ran.stderr.split())
    refused = CliRunner().invoke(app, [command], env=variables | {"CS3_ENGINE": "rays"})
    assert refused.exit_code == 2
    assert "expected an engine local, ray or ray://HOST:PORT" in " ".join(refused.stderr.split())
