"""The API as programs see it: jobs, results, reviews, events. The worker is real but for the model."""

import csv
import io
import json
import threading
import zipfile

import numpy as np
import pytest
import tifffile
from asking import pages, picture, submit
from PIL import Image
from pycocotools import mask as rle

from service.schemas import Job, JobPage, Segmentation


def result(client, job, number=1, **parameters):
    return client.get(f"/v1/jobs/{job['id']}/images/{number}/result", params=parameters)


def problem(answer, status, kind):
    """An answer that is a problem; its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["type"]) == (status, f"urn:cs3:problem:{kind}")
    assert body["action"]
    return body["detail"]


def test_one_image_is_answered_when_it_is_done(client, ready, worker, model):
    done = threading.Event()

    def work():
        while not done.is_set():
            worker.step(model)
            done.wait(0.02)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        answer = client.post(
            "/v1/segmentations", files={"image": ("smear.png", picture(2))}, data={"pixel_size_um": "0.1"}
        )
        table = client.post(
            "/v1/segmentations",
            files={"image": ("smear.png", picture(2))},
            headers={"Accept": "application/vnd.cs3.coco+json"},
        )
        bad = client.post("/v1/segmentations", files={"image": ("smear.png", picture()[:60])})
    finally:
        done.set()
        thread.join()
    assert answer.status_code == 200
    found = Segmentation.model_validate(answer.json())
    assert answer.headers["location"] == f"/v1/jobs/{found.job_id}"
    assert (found.file_name, found.width, found.height, found.pixel_size_um) == ("smear.png", 60, 40, 0.1)
    assert [one.sperm_id for one in found.sperm] == [1, 2]
    assert found.sperm[0].complete
    assert found.model.sha256 == "f" * 64
    assert set(found.timings.stages) >= {"read", "heads", "measure", "encode"}
    assert client.get(found.job_id and answer.headers["location"]).json()["kind"] == "segmentation"
    assert {one["name"] for one in table.json()["categories"]} >= {"head", "tail"}
    assert "smear.png" not in problem(bad, 422, "image")
    assert "cut short" in problem(bad, 422, "image")


def test_parts_are_what_was_drawn(client, work_off):
    job = submit(client, picture(1))
    work_off()
    found = Segmentation.model_validate(result(client, job).json())
    head, tail = found.sperm[0].parts
    assert (head.part, head.bbox, head.area_px2) == ("head", (3, 5, 4, 6), 24)
    assert head.polygons == [[[(3, 5), (7, 5), (7, 11), (3, 11)]]]
    assert rle.area({"size": list(head.rle.size), "counts": head.rle.counts.encode()}) == 24
    assert (tail.part, tail.centreline is not None, head.centreline) == ("tail", True, None)
    assert found.sperm[0].colour == "#0072b2"
    assert found.sperm[0].measurements["head_area_px2"] == 24


def test_a_job_of_files_a_zip_and_pages(client, work_off):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as zipped:
        zipped.writestr("slides/a.png", picture(1, mark=1))
        zipped.writestr("slides/notes.txt", "nothing")
        zipped.writestr("__MACOSX/._a.png", "nothing")
    job = submit(client, picture(2), content.getvalue(), pages(1, 3), name="Tuesday")
    assert job["state"] == "queued"
    assert job["skipped"] == ["notes.txt", "_a.png"]
    work_off()
    done = Job.model_validate(client.get(f"/v1/jobs/{job['id']}").json())
    assert (done.name, done.state, done.sperm, done.counts.images) == ("Tuesday", "succeeded", 7, 4)
    assert [(image.file_name, image.sperm) for image in done.images] == [
        ("smear-1.png", 2),
        ("a.png", 1),
        ("smear-3.png#page=1", 1),
        ("smear-3.png#page=2", 3),
    ]


def test_a_bad_image_fails_alone(client, work_off):
    job = submit(client, picture(), b"\x89PNG\r\n\x1a\n and nothing more", b"no image")
    work_off()
    done = client.get(f"/v1/jobs/{job['id']}").json()
    assert [image["state"] for image in done["images"]] == ["succeeded", "failed", "failed"]
    assert "expected PNG, JPEG, TIFF or BMP" in done["images"][2]["error"]
    assert done["state"] == "succeeded"
    lines = [json.loads(line) for line in client.get(f"/v1/jobs/{job['id']}/results").text.splitlines()]
    assert [line.get("error") is None for line in lines] == [True, False, False]


@pytest.mark.parametrize(
    ("wanted", "accept"),
    [
        ("json", "application/json"),
        ("coco", "application/vnd.cs3.coco+json"),
        ("geojson", "application/geo+json"),
        ("imagej", "application/zip"),
        ("tiff", "image/tiff"),
        ("overlay", "image/png"),
    ],
)
def test_every_format_by_name_and_by_accept(client, work_off, wanted, accept):
    job = submit(client, picture(2))
    work_off()
    by_name = result(client, job, format=wanted)
    address = f"/v1/jobs/{job['id']}/images/1/result"
    by_accept = client.get(address, headers={"Accept": f"{accept}, application/json;q=0.1"})
    assert by_name.status_code == by_accept.status_code == 200
    assert by_name.headers["content-type"] == by_accept.headers["content-type"] == accept
    body = by_accept.content
    if wanted == "coco":
        assert len(json.loads(body)["annotations"]) == 4
    elif wanted == "geojson":
        assert len(json.loads(body)["features"]) == 4
    elif wanted == "imagej":
        assert len(zipfile.ZipFile(io.BytesIO(body)).namelist()) == 4
    elif wanted == "tiff":
        assert tifffile.imread(io.BytesIO(body)).max() == 2
    elif wanted == "overlay":
        assert Image.open(io.BytesIO(body)).size == (60, 40)


def test_formats_that_there_are_not(client, work_off):
    job = submit(client, picture())
    work_off()
    address = f"/v1/jobs/{job['id']}/images/1/result"
    assert "json, coco" in problem(
        client.get(address, headers={"Accept": "text/html"}), 406, "not-acceptable"
    )
    problem(client.get(address, params={"format": "docx"}), 422, "invalid")
    assert client.get(address, headers={"Accept": "text/html, */*;q=0.1"}).status_code == 200


def test_the_picture_is_shown(client, work_off):
    job = submit(client, picture(1, "TIFF"))
    address = f"/v1/jobs/{job['id']}/images/1/picture"
    problem(client.get(address), 409, "no-result")
    work_off()
    shown = Image.open(io.BytesIO(client.get(address).content))
    assert (shown.format, shown.size) == ("JPEG", (60, 40))
    assert np.asarray(shown)[8, 5].tolist() == pytest.approx([90, 20, 120], abs=25)


def test_reviews_go_into_every_download(client, work_off):
    job = submit(client, picture(2))
    work_off()
    address = f"/v1/jobs/{job['id']}/images/1/reviews/2"
    said = client.put(address, json={"rejected": True, "comment": "=debris"})
    assert said.status_code == 200
    assert said.json() | {"at": ""} == {"rejected": True, "comment": "=debris", "by": "local", "at": ""}
    assert result(client, job).json()["sperm"][1]["review"]["comment"] == "=debris"
    assert client.get(f"/v1/jobs/{job['id']}").json()["images"][0]["rejected"] == 1
    downloads = {
        one: client.get(f"/v1/jobs/{job['id']}/results?format={one}").text for one in ("csv", "coco")
    }
    rows = list(csv.DictReader(io.StringIO(downloads["csv"])))
    assert [(row["rejected"], row["comment"]) for row in rows] == [("false", ""), ("true", "'=debris")]
    annotations = json.loads(downloads["coco"])["annotations"]
    assert {(a["sperm_id"], a["rejected"]) for a in annotations} == {(1, False), (2, True)}
    features = result(client, job, format="geojson").json()["features"]
    assert [f["properties"]["classification"]["name"] for f in features][2:] == ["Rejected", "Rejected"]
    assert client.delete(address).status_code == 204
    assert result(client, job).json()["sperm"][1]["review"] is None
    problem(client.put(f"/v1/jobs/{job['id']}/images/1/reviews/3", json={"rejected": True}), 404, "not-found")
    problem(client.put(address, json={"rejected": 0}), 422, "invalid")
    problem(client.put(address, json={"comment": "x" * 2001}), 422, "invalid")


def test_all_results_in_one_zip(client, work_off):
    job = submit(client, picture(1), picture(2))
    work_off()
    everything = "coco,csv,run,json,geojson,imagej,tiff,overlay"
    answer = client.get(f"/v1/jobs/{job['id']}/results", params={"format": "zip", "include": everything})
    assert "attachment" in answer.headers["content-disposition"]
    zipped = zipfile.ZipFile(io.BytesIO(answer.content))
    assert zipped.testzip() is None
    assert len(zipped.namelist()) == 3 + 2 * 5
    run = json.loads(zipped.read("run.json"))
    assert [image["sperm"] for image in run["images"]] == [1, 2]
    assert run["model_sha256"] == "f" * 64
    assert len(json.loads(zipped.read("annotations.coco.json"))["annotations"]) == 6
    assert len(zipped.read("sperm.csv").splitlines()) == 4
    problem(client.get(f"/v1/jobs/{job['id']}/results?format=zip&include=pdf"), 422, "invalid")


def test_a_job_without_sperm_has_an_empty_table(client, work_off):
    job = submit(client, picture(0))
    work_off()
    text = client.get(f"/v1/jobs/{job['id']}/results?format=csv").text
    assert text == "file_name,sperm_id,score,complete,rejected,comment\n"


def test_events_are_replayed_after_the_last_one_seen(client, work_off):
    job = submit(client, picture())
    work_off()
    everything = client.get(f"/v1/jobs/{job['id']}/events")
    assert everything.headers["content-type"].startswith("text/event-stream")
    ids = [line for line in everything.text.splitlines() if line.startswith("id: ")]
    assert ids == [f"id: {number}" for number in range(1, 6)]
    rest = client.get(f"/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": "3"}).text
    assert [line for line in rest.splitlines() if line.startswith("id: ")] == ["id: 4", "id: 5"]
    last = rest.strip().splitlines()[-1]
    assert json.loads(last.removeprefix("data: "))["state"] == "succeeded"
    problem(client.get(f"/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": "x"}), 422, "invalid")


def test_events_come_as_they_happen(client, work_off):
    job = submit(client, picture())
    seen = []
    with client.stream("GET", f"/v1/jobs/{job['id']}/events") as stream:
        for line in stream.iter_lines():
            seen.append(line)
            if line == "id: 1":
                work_off()
    assert [line for line in seen if line.startswith("event: ")][-1] == "event: job"


def test_lines_of_results_may_be_waited_for(client, work_off):
    job = submit(client, picture(1), picture(2))
    assert client.get(f"/v1/jobs/{job['id']}/results").text == ""
    thread = threading.Timer(0.2, work_off)
    thread.start()
    lines = client.get(f"/v1/jobs/{job['id']}/results?wait=true").text.splitlines()
    thread.join()
    assert [json.loads(line)["number"] for line in lines] == [1, 2]


def test_the_same_key_gives_the_same_job(client):
    key = {"Idempotency-Key": "monday-1"}
    first = submit(client, picture(1), headers=key, name="a")
    again = submit(client, picture(1), headers=key, name="a")
    assert again["id"] == first["id"]
    files = [("images", ("smear-1.png", picture(2)))]
    other = client.post("/v1/jobs", files=files, data={"name": "a"}, headers=key)
    problem(other, 409, "idempotency")
    assert len(client.get("/v1/jobs").json()["jobs"]) == 1


def test_jobs_are_listed_page_by_page(client):
    ids = [submit(client, picture())["id"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        page = JobPage.model_validate(
            client.get("/v1/jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        )
        seen += [job.id for job in page.jobs]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == ids[::-1]
    assert client.get("/v1/jobs?state=succeeded").json()["jobs"] == []
    problem(client.get("/v1/jobs?cursor=nonsense"), 422, "invalid")
    problem(client.get("/v1/jobs?limit=0"), 422, "invalid")


def test_images_are_listed_page_by_page(client):
    job = submit(client, *(picture(mark=n) for n in range(5)))
    page = client.get(f"/v1/jobs/{job['id']}/images?limit=3").json()
    rest = client.get(
        f"/v1/jobs/{job['id']}/images", params={"limit": 3, "cursor": page["next_cursor"]}
    ).json()
    assert [image["number"] for image in page["images"] + rest["images"]] == [1, 2, 3, 4, 5]
    assert rest["next_cursor"] is None


def test_a_job_is_cancelled_and_purged(client, service, work_off):
    job = submit(client, picture(1), picture(2))
    cancelled = client.delete(f"/v1/jobs/{job['id']}").json()
    assert (cancelled["state"], cancelled["counts"]["cancelled"]) == ("cancelled", 2)
    assert client.delete(f"/v1/jobs/{job['id']}").json()["state"] == "cancelled"
    done = submit(client, picture(1))
    work_off()
    assert service.blobs.list(f"jobs/{done['id']}")
    gone = client.delete(f"/v1/jobs/{done['id']}?purge=true").json()
    assert gone["deleted_at"] is not None
    assert gone["images"][0]["file_name"] == "deleted"
    assert service.blobs.list(f"jobs/{done['id']}") == []
    problem(result(client, done), 410, "deleted")
    problem(client.get(f"/v1/jobs/{done['id']}/results"), 410, "deleted")
    problem(client.get(f"/v1/jobs/{done['id']}/images/1/picture"), 410, "deleted")
    (note,) = [note for note in service.audit.read() if note["action"] == f"purge {done['id']}"]
    assert len(note["detail"]["sha256"]) == 1


def test_a_full_queue_says_when_to_come_again(client, service, settings, monkeypatch):
    small = settings.model_copy(update={"max_queue": 2})
    monkeypatch.setitem(service.__dict__, "settings", small)
    submit(client, picture())
    files = [("images", ("a.png", picture())), ("images", ("b.png", picture()))]
    answer = client.post("/v1/jobs", files=files)
    problem(answer, 429, "busy")
    assert int(answer.headers["retry-after"]) >= 1
    assert len(service.blobs.list("jobs")) == 1  # what was refused leaves nothing behind
    submit(client, picture())
    problem(client.post("/v1/jobs", files=files), 429, "busy")


def test_without_a_worker_it_is_alive_but_not_ready(client, service):
    assert client.get("/v2/health/live").json()["status"] == "live"
    problem(client.get("/v2/health/ready"), 503, "unavailable")
    answer = client.post("/v1/segmentations", files={"image": ("a.png", picture())})
    problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "5"
    assert submit(client, picture())["state"] == "queued"  # which is kept until there is one


def test_ready_models_and_metrics(client, ready, work_off, worker):
    assert client.get("/v2/health/ready").json()["status"] == "ready"
    (model,) = client.get("/v1/models").json()["models"]
    assert model == {"name": "tiny", "sha256": "a" * 64, "ready": True, "devices": ["cpu"], "workers": 1}
    submit(client, picture(2))
    work_off()
    worker._stats.batch(3)  # as a model tells of each pass of its encoder
    worker._beat()
    text = client.get("/metrics").text
    assert 'cs3_http_requests_total{method="POST",path="/v1/jobs",status="202"} 1.0' in text
    assert 'cs3_queue_images{state="queued"} 0.0' in text
    assert 'cs3_batches_total{size="3"' in text
    assert 'stage="heads"' in text


def test_an_answer_that_takes_too_long_becomes_a_job(client, service, ready, monkeypatch, settings):
    monkeypatch.setitem(service.__dict__, "settings", settings.model_copy(update={"answer_timeout": 0.1}))
    answer = client.post("/v1/segmentations", files={"image": ("a.png", picture())})
    assert answer.status_code == 202
    assert answer.json()["state"] == "queued"
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"pixel_size_um": "-1"}, "greater than or equal to 0.001"),
        ({"pixel_size_um": "5e-324"}, "greater than or equal to 0.001"),
        ({"pixel_size_um": "nan"}, "pixel_size_um"),
        ({"preset": "best"}, "preset"),
        ({"config": "{"}, "expected JSON"),
        ({"config": "[" * 50000}, "expected JSON"),
        ({"config": "[]"}, "expected a JSON object"),
        ({"config": '{"tails": {"rounds": 99}}'}, "tails.rounds"),
        ({"config": '{"tails": {"knots": 1}}'}, "tails.knots"),
        ({"config": '{"tails": {"spur_hl": NaN}}'}, "NaN"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_settings_are_checked_before_anything_is_kept(client, service, fields, found):
    answer = client.post("/v1/jobs", files={"images": ("a.png", picture())}, data=fields)
    assert found in problem(answer, 422, "invalid")
    assert service.blobs.list("jobs") == []


def test_settings_reach_the_result(client, work_off):
    job = submit(client, picture(), config='{"tails": {"rounds": 5}}', preset="paper", pixel_size_um="0.2")
    assert job["settings"] == {"pixel_size_um": 0.2, "preset": "paper", "config": {"tails": {"rounds": 5}}}
    work_off()
    answer = client.get(f"/v1/jobs/{job['id']}/results?format=zip")
    run = json.loads(zipfile.ZipFile(io.BytesIO(answer.content)).read("run.json"))
    assert run["configuration"]["tails"]["rounds"] == 5
    assert run["configuration"]["heads"]["prompts"] == "grid"


def test_addresses_that_there_are_not(client):
    problem(client.get("/v1/nothing"), 404, "not-found")
    problem(client.get(f"/v1/jobs/{'0' * 32}"), 404, "not-found")
    problem(client.get("/v1/jobs/../../etc/passwd"), 404, "not-found")
    problem(client.get("/v1/jobs/JOB"), 422, "invalid")
    problem(client.patch("/v1/jobs"), 405, "method-not-allowed")
    job = submit(client, picture())
    problem(client.get(f"/v1/jobs/{job['id']}/images/2"), 404, "not-found")
    assert client.get(f"/v1/jobs/{job['id']}/images/1").json()["file_name"] == "smear-1.png"


def test_the_schema_of_the_configuration(client):
    answer = client.get("/v1/config/schema").json()
    assert "tails" in answer["json_schema"]["properties"]
    assert answer["presets"]["paper"]["heads"]["prompts"] == "grid"


def test_a_fault_of_its_own_tells_nothing_of_the_server(service, monkeypatch):
    from asking import client_of

    monkeypatch.setattr(service.store, "jobs", lambda *_: 1 / 0)
    with client_of(service, raise_server_exceptions=False) as client:
        answer = client.get("/v1/jobs")
    assert "division" not in answer.text
    problem(answer, 500, "unexpected")
