"""Keys, scopes, and who is let in without one."""

import pytest
from asking import HERE, client_of, picture, submit
from fastapi.testclient import TestClient

from cascade.errors import CS3Error
from service.app import create_app
from service.context import open_service
from service.settings import Settings


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def key(service):
    return service.keys.create("lab")[1]


def test_a_key_is_asked_for_as_soon_as_there_is_one(service, client, key):
    answer = client.get("/v1/jobs")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert client.get("/v1/jobs", headers=bearer(key)).status_code == 200
    for wrong in (key[:-1], key + "x", "cs3__", "cs3_x_y", "x" * 1000, "é"):
        headers = {"Authorization": f"Bearer {wrong}".encode()}
        assert client.get("/v1/jobs", headers=headers).status_code == 401
    assert client.get("/v1/jobs", headers={"Authorization": f"Basic {key}"}).status_code == 401
    access = client.get("/v1/access").json()
    assert (access["key_required"], access["scopes"]) == (True, [])
    assert client.get("/v1/access", headers=bearer(key)).json()["name"] == "lab"
    for address in ("/", "/v2/health/live"):
        assert client.get(address).status_code == 200


def test_secrets_are_not_kept(service, key, settings):
    secret = key.rpartition("_")[2]
    assert all(secret.encode() not in path.read_bytes() for path in settings.data.iterdir() if path.is_file())
    assert "secret_sha256" not in service.keys.list()[0]


def test_scopes(service, client):
    reader = bearer(service.keys.create("reader", ["read"])[1])
    sender = bearer(service.keys.create("sender", ["submit"])[1])
    operator = bearer(service.keys.create("operator", ["metrics"])[1])
    files = {"images": ("a.png", picture())}
    assert client.post("/v1/jobs", files=files, headers=reader).status_code == 403
    assert client.post("/v1/jobs", files=files, headers=sender).status_code == 202
    assert client.get("/v1/jobs", headers=sender).status_code == 403
    assert client.get("/metrics", headers=reader).status_code == 403
    assert client.get("/metrics", headers=operator).status_code == 200
    with pytest.raises(CS3Error, match="expected scopes of"):
        service.keys.create("x", ["root"])
    with pytest.raises(CS3Error, match="at least one scope"):
        service.keys.create("x", [])


def test_jobs_are_seen_by_the_key_that_sent_them_and_by_admins(service, client):
    first, second = (bearer(service.keys.create(name)[1]) for name in "ab")
    admin = bearer(service.keys.create("admin", ["admin"])[1])
    job = submit(client, picture(), headers=first)
    address = f"/v1/jobs/{job['id']}"
    assert client.get(address, headers=second).status_code == 404
    assert client.delete(address, headers=second).status_code == 404
    assert client.get(f"{address}/events", headers=second).status_code == 404
    assert client.get(f"{address}/results", headers=second).status_code == 404
    assert client.get("/v1/jobs", headers=second).json()["jobs"] == []
    assert client.get(address, headers=admin).status_code == 200
    assert client.get(address, headers=first).status_code == 200


def test_rotation_and_revocation(service):
    key_id, old = service.keys.create("lab")
    new = service.keys.rotate(key_id, grace_hours=1)
    assert service.keys.identify(old).key_id == service.keys.identify(new).key_id == key_id
    newer = service.keys.rotate(key_id, grace_hours=0)
    assert service.keys.identify(new) is None
    assert service.keys.identify(old) is None
    service.keys.revoke(key_id)
    assert service.keys.identify(newer) is None
    assert service.keys.any()
    assert not service.keys.usable()
    with pytest.raises(CS3Error, match="see `cs3 service keys list`"):
        service.keys.revoke(key_id)


def test_keys_expire(service):
    _, key = service.keys.create("visitor", days=-1)
    assert service.keys.identify(key) is None


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("192.0.2.7", {}),
        ("127.0.0.1", {"Host": "evil.example"}),
        ("127.0.0.1", {"Origin": "https://evil.example"}),
        ("127.0.0.1", {"Origin": "null"}),
    ],
)
def test_without_keys_strangers_are_refused(service, address, headers):
    with TestClient(create_app(service), base_url=HERE, client=(address, 5)) as client:
        assert client.get("/v1/jobs", headers=headers).status_code == 403
        assert (
            client.post("/v1/jobs", files={"images": ("a.png", picture())}, headers=headers).status_code
            == 403
        )


def test_without_keys_this_machine_and_its_page_are_served(service, client):
    for headers in (
        {},
        {"Host": "localhost:8080", "Origin": "http://localhost:8080"},
        {"Host": "[::1]:8080"},
    ):
        assert client.get("/v1/jobs", headers=headers).status_code == 200


def test_a_service_that_others_can_reach_wants_a_key(tmp_path):
    service = open_service(Settings(data=tmp_path, host="0.0.0.0"))
    with client_of(service) as client:
        assert client.get("/v1/jobs").status_code == 401


def test_every_answer_is_safe_for_browsers(client):
    for address in ("/", "/v1/jobs", "/v1/nothing", "/page/index.html"):
        headers = client.get(address).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
    assert client.get("/v1/jobs").headers["cache-control"] == "no-store"
    assert client.get("/page/../app.py").status_code == 404
    assert client.get("/page/%2e%2e/app.py").status_code == 404


def test_who_asked_what_is_noted(service):
    _, key = service.keys.create("lab")
    with client_of(service) as client:
        job = submit(client, picture(), headers=bearer(key), name="patient 7")
        client.get(f"/v1/jobs/{job['id']}", headers=bearer(key))
        client.get("/v1/jobs")
        client.get("/v1/patient-7")
    notes = list(service.audit.read())
    assert [(note["action"], note["status"]) for note in notes[::-1]] == [
        ("POST /v1/jobs", 202),
        (f"GET /v1/jobs/{job['id']}", 200),
        ("GET /v1/jobs", 401),
        ("GET other", 404),
    ]
    assert notes[-1]["who"].startswith("lab (")
    assert notes[-1]["detail"] == {"job": job["id"], "images": 1, "new": True}
    assert notes[1]["who"] == "unknown"
    assert "patient" not in repr(notes)
    assert "smear" not in repr(notes)
    assert service.keys.list()[0]["last_used_at"] is not None
