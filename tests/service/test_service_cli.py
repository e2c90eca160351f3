"""`cs3 service`: keys, doors, retention, settings."""

import json

import pytest
from asking import client_of, picture, submit
from typer.testing import CliRunner

from service.cli import app


@pytest.fixture
def run(monkeypatch, settings):
    """Call the command on the service's data; its result."""
    monkeypatch.setenv("CS3_SERVICE_DATA", str(settings.data))
    if settings.database_url:
        monkeypatch.setenv("CS3_SERVICE_DATABASE_URL", settings.database)
    return lambda *words: CliRunner().invoke(app, words)


def test_keys(run):
    made = run("keys", "create", "lab", "--scopes", "read,submit")
    key = made.stdout.strip()
    _, key_id, secret = key.split("_", 2)
    listed = run("keys", "list").stdout
    assert key_id in listed
    assert "good" in listed
    assert secret not in listed
    rotated = run("keys", "rotate", key_id).stdout.strip()
    assert rotated.startswith(f"cs3_{key_id}_")
    assert rotated != key
    assert run("keys", "revoke", key_id).exit_code == 0
    assert "revoked" in run("keys", "list").stdout
    refused = run("keys", "revoke", "nobody")
    assert (refused.exit_code, "expected the id of one of" in refused.stderr) == (2, True)
    assert run("keys", "create", "x", "--scopes", "root").exit_code == 2


def test_a_door_to_others_needs_a_key(run):
    refused = run("start", "--host", "0.0.0.0")
    assert refused.exit_code == 2
    assert "expected an API key before listening at 0.0.0.0" in refused.stderr
    key_id = run("keys", "create", "lab").stdout.split("_")[1]
    run("keys", "revoke", key_id)
    assert run("start", "--host", "0.0.0.0").exit_code == 2  # a revoked key opens no door


def test_retention_and_audit(run, service):
    with client_of(service) as client:
        job = submit(client, picture())
    assert "Files that should be gone: 0." in run("retention", "--verify").stdout
    assert "Deleted images or results of 0 jobs." in run("retention").stdout
    service.blobs.put("jobs/" + "0" * 32 + "/images/upload", b"patient")
    found = run("retention", "--verify")
    assert (found.exit_code, "0/images/upload" in found.stdout) == (1, True)
    notes = [json.loads(line) for line in run("audit").stdout.splitlines()]
    assert notes[0]["action"] == "POST /v1/jobs"
    assert run("audit", "--job", job["id"]).stdout == ""  # its path names no job


def test_settings_are_shown_and_checked(run, monkeypatch):
    assert "CS3_SERVICE_PORT=8080" in run("settings").stdout
    monkeypatch.setenv("CS3_SERVICE_PORT", "http")
    refused = run("settings")
    assert (refused.exit_code, "CS3_SERVICE_PORT" in refused.stderr) == (2, True)
