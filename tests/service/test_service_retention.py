"""Images and results are deleted when their time is over, and nothing is left of them."""

from asking import picture, submit

from service.new_jobs import new_job_id
from service.retention import Retention


def with_days(service, monkeypatch, images, results):
    changed = service.settings.model_copy(
        update={"image_retention_days": images, "result_retention_days": results}
    )
    monkeypatch.setitem(service.__dict__, "settings", changed)
    return Retention(service)


def test_images_go_first_and_results_stay(client, service, work_off, monkeypatch):
    job = submit(client, picture(2), picture(1))
    waiting = submit(client, picture(1))
    client.delete(f"/v1/jobs/{waiting['id']}")
    late = submit(client, picture(1), picture(1))
    work_off()
    assert with_days(service, monkeypatch, 30, 365).run() == 0
    assert service.store.job(late["id"], None)["images_deleted_at"] is None
    retention = with_days(service, monkeypatch, 0, 365)
    assert retention.run() == 3
    assert retention.run() == 0
    assert {key.split("/")[2] for key in service.blobs.list("jobs")} == {"results"}
    assert retention.left_over() == []
    address = f"/v1/jobs/{job['id']}"
    assert client.get(f"{address}/images/1/result").status_code == 200
    assert client.get(f"{address}/images/1/picture").status_code == 410
    assert client.get(f"{address}/images/1/result?format=overlay").status_code == 410
    assert client.get(f"{address}/results?format=zip&include=overlay,json").status_code == 200
    assert client.get(address).json()["images_deleted_at"] is not None


def test_in_the_end_everything_goes_and_the_log_proves_it(client, service, work_off, monkeypatch):
    job = submit(client, picture(2), name="patient 7")
    work_off()
    client.put(f"/v1/jobs/{job['id']}/images/1/reviews/1", json={"comment": "patient 7"})
    retention = with_days(service, monkeypatch, 0, 0)
    assert retention.run() == 1
    assert service.blobs.list("jobs") == []
    left = client.get(f"/v1/jobs/{job['id']}").json()
    assert (left["name"], left["images"][0]["file_name"], left["state"]) == ("", "deleted", "succeeded")
    assert service.store.reviews(job["id"]) == {}
    (note,) = [note for note in service.audit.read() if note["who"] == "retention"]
    assert note["action"] == f"delete results {job['id']}"
    assert len(note["detail"]["sha256"]) == 1


def test_what_is_running_is_kept(client, service, monkeypatch):
    submit(client, picture())
    assert with_days(service, monkeypatch, 0, 0).run() == 0


def test_what_a_request_that_died_left_is_swept(client, service, work_off, monkeypatch):
    job = submit(client, picture())
    work_off()
    old, fresh = "0" * 32, new_job_id()
    for lost in (old, fresh):
        service.blobs.put(f"jobs/{lost}/images/upload", b"patient")
    half = service.blobs.writer("jobs/" + "0" * 31 + "1/images/upload")
    half.write(b"half")
    retention = with_days(service, monkeypatch, 30, 365)
    assert len(retention.left_over()) == 2
    retention.run()
    assert retention.left_over() == []
    assert {key.split("/")[1] for key in service.blobs.list("jobs")} == {job["id"], fresh}
    half.abort()
