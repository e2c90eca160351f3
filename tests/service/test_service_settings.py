"""Settings come from the environment, are checked at the start, and are shown without secrets."""

import pytest

from cascade.errors import ConfigError
from service.settings import Settings


def test_settings_come_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CS3_SERVICE_DATA", str(tmp_path))
    monkeypatch.setenv("CS3_SERVICE_PORT", "9000")
    monkeypatch.setenv("CS3_SERVICE_IMAGE_RETENTION_DAYS", "7")
    monkeypatch.setenv("CS3_SERVICE_RESULT_RETENTION_DAYS", "")
    settings = Settings.load()
    assert (settings.data, settings.port) == (tmp_path, 9000)
    assert (settings.image_retention_days, settings.result_retention_days) == (7, None)
    assert settings.database == f"sqlite:///{tmp_path}/service.sqlite"
    assert Settings.load(port=9001, host=None).port == 9001


def test_retention_is_on_unless_somebody_says_otherwise():
    assert Settings().image_retention_days == 30
    assert Settings().result_retention_days == 365


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("PORT", "0", "CS3_SERVICE_PORT"),
        ("PORT", "http", "CS3_SERVICE_PORT"),
        ("LEASE_SECONDS", "-1", "CS3_SERVICE_LEASE_SECONDS"),
        ("DATABASE_URL", "mysql://u:secret@h/d", "expected sqlite:… or postgresql:…"),
        ("IMAGE_RETENTION_DAYS", "400", "images do not outlive their results"),
    ],
)
def test_what_is_wrong_is_named_without_secrets(monkeypatch, name, value, found):
    monkeypatch.setenv(f"CS3_SERVICE_{name}", value)
    with pytest.raises(ConfigError) as caught:
        Settings.load()
    assert found in str(caught.value)
    assert "secret" not in str(caught.value)


def test_passwords_are_not_shown(tmp_path):
    settings = Settings(data=tmp_path, database_url="postgresql://lab:secret@db/cs3")
    assert settings.shown()["database_url"] == "postgresql://***@db/cs3"
    assert "secret" not in repr(settings)
    assert settings.environment()["CS3_SERVICE_DATABASE_URL"] == "postgresql://lab:secret@db/cs3"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("lab", False),
    ],
)
def test_what_is_loopback(host, loopback):
    assert Settings(host=host).on_loopback == loopback
