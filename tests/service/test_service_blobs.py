"""Blobs in a folder and wherever fsspec leads, and a whole service that keeps its files there."""

import pytest
from asking import client_of, picture, submit

from service.blobs import BlobMissingError, open_blobs
from service.context import open_service
from service.retention import Retention
from service.worker import Worker

fsspec = pytest.importorskip("fsspec")
KEY = "jobs/j/images/upload"


@pytest.fixture(params=["folder", "file", "local", "memory"])
def place(request, tmp_path):
    """A folder, the same as a URL, and through fsspec the local disk and the memory of this process."""
    yield {
        "folder": str(tmp_path / "kept"),
        "file": f"file://{tmp_path}/kept",
        "local": f"local://{tmp_path}/kept",
        "memory": f"memory://{tmp_path}/kept",
    }[request.param]
    memory = fsspec.filesystem("memory")
    if memory.exists(str(tmp_path)):
        memory.rm(str(tmp_path), recursive=True)


def test_what_is_put_is_got_whole_and_in_part(place):
    blobs = open_blobs(place)
    blobs.put(KEY, b"0123456789")
    assert blobs.get(KEY) == b"0123456789"
    assert blobs.get(KEY, 3) == b"3456789"
    assert blobs.get(KEY, 3, 4) == b"3456"
    assert blobs.get(KEY, 0, 4) == b"0123"
    assert blobs.get(KEY, 8, 40) == b"89"
    assert blobs.get(KEY, 4, 0) == b""
    blobs.put(KEY, b"other")
    assert blobs.get(KEY) == b"other"
    assert open_blobs(place).get(KEY) == b"other"  # as another process opens it


def test_a_writer_shows_nothing_before_its_commit(place):
    blobs = open_blobs(place)
    writer = blobs.writer(KEY)
    for piece in (b"one", b"", b"two"):
        writer.write(piece)
    assert writer.size == 6
    with pytest.raises(BlobMissingError):
        blobs.get(KEY)
    writer.commit()
    writer.abort()  # too late, and without effect
    assert blobs.get(KEY) == b"onetwo"
    with pytest.raises(ValueError, match="found one that is closed"):
        writer.write(b"more")


def test_an_aborted_writer_leaves_no_file(place):
    blobs = open_blobs(place)
    untouched = blobs.writer("jobs/k/images/upload")
    untouched.abort()
    writer = blobs.writer(KEY)
    writer.write(b"half")
    writer.abort()
    assert blobs.list("jobs") == []
    with pytest.raises(ValueError, match="found one that is closed"):
        writer.commit()


def test_an_empty_blob_is_a_blob(place):
    blobs = open_blobs(place)
    blobs.put(KEY, b"")
    assert blobs.list("jobs") == [KEY]
    assert blobs.get(KEY) == b""


def test_folders_are_listed_and_removed(place):
    blobs = open_blobs(place)
    keys = ["jobs/j/images/upload", "jobs/j/results/1.gz", "jobs/jj/results/1.gz"]
    for key in keys:
        blobs.put(key, b"x")
    assert blobs.list("jobs") == keys
    assert blobs.list("jobs/j") == keys[:2]
    assert blobs.list("nothing") == []
    assert blobs.remove("jobs/j/results/1.gz") == 1
    assert blobs.remove("jobs/j") == 1
    assert blobs.remove("jobs/j") == 0
    assert blobs.list("jobs") == keys[2:]


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "jobs/../../x", "jobs//x", "./x"])
def test_keys_that_lead_elsewhere_are_refused(place, key):
    blobs = open_blobs(place)
    for use in (blobs.get, blobs.list, blobs.remove, blobs.writer):
        with pytest.raises(ValueError, match="expected a relative path"):
            use(key)


def test_a_service_keeps_its_files_there(place, settings, model):
    """Submitted, worked off, downloaded, purged, and nothing is left."""
    settings = type(settings).load(**settings.model_dump() | {"blobs_url": place})
    service, worker = open_service(settings), Worker(settings, "cpu")
    with client_of(service) as client:
        job = submit(client, picture(1), picture(2))
        while worker.step(model):
            pass
        assert client.get(f"/v1/jobs/{job['id']}").json()["state"] == "succeeded"
        lines = client.get(f"/v1/jobs/{job['id']}/results").text.splitlines()
        assert len(lines) == 2
        assert client.get(f"/v1/jobs/{job['id']}/images/1/picture").content.startswith(b"\xff\xd8")
        kept = open_blobs(place).list(f"jobs/{job['id']}")
        assert len(kept) == 1 + 2 * 2  # what came, and a result and a picture for each image
        assert client.delete(f"/v1/jobs/{job['id']}", params={"purge": True}).status_code == 200
        assert open_blobs(place).list(f"jobs/{job['id']}") == []
        assert Retention(service).left_over() == []
    worker.close()
