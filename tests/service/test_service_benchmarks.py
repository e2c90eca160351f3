"""Benchmarks as jobs: predictions and found sperm against masks drawn by hand."""

import json

import numpy as np
import pytest
from asking import picture, submit
from pycocotools import mask as rle

PARTS = [{"id": 2, "name": "nucleus"}, {"id": 5, "name": "tail"}]


def coco(name="smear.png", shift=0):
    """One sperm: the head of `standin.smear(1)` and a tail below it."""
    annotations = []
    for number, (category, rows, columns) in enumerate(((2, (5, 11), (3, 7)), (5, (11, 40), (3, 5))), 1):
        mask = np.zeros((40, 60), np.uint8, order="F")
        mask[rows[0] : rows[1], columns[0] + shift : columns[1] + shift] = 1
        encoded = rle.encode(mask)
        segmentation = {"size": [40, 60], "counts": encoded["counts"].decode()}
        annotations.append(
            {
                "id": number,
                "image_id": 1,
                "sperm_id": 1,
                "category_id": category,
                "segmentation": segmentation,
            }
        )
    images = [{"id": 1, "file_name": name, "width": 60, "height": 40}]
    return json.dumps({"images": images, "categories": PARTS, "annotations": annotations}).encode()


def benchmark(client, *files, **fields):
    return client.post("/v1/benchmarks", files=list(files), data=fields)


def test_a_prediction_against_two_experts(client, work_off):
    answer = benchmark(
        client,
        ("truths", ("a.json", coco())),
        ("truths", ("b.json", coco(shift=2))),
        ("prediction", ("mine.json", coco())),
        name="mine",
    )
    assert answer.status_code == 202
    address = f"/v1/benchmarks/{answer.json()['id']}"
    assert client.get(address).status_code == 409
    work_off()
    found = client.get(address).json()
    assert (found["experts"], found["prediction"]) == (["a.json", "b.json"], "mine.json")
    assert 0.5 < found["figures"]["mIoU"] < 1
    assert client.get(answer.headers["location"]).json()["state"] == "succeeded"


def test_what_the_service_finds_against_an_expert(client, work_off):
    answer = benchmark(client, ("truths", ("a.json", coco())), ("images", ("smear.png", picture(1))))
    work_off()
    job = client.get(answer.headers["location"]).json()
    assert (job["state"], job["counts"]["succeeded"]) == ("succeeded", 1)
    assert client.get(f"/v1/benchmarks/{job['id']}").json()["figures"]["head IoU"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("truth", "found"),
    [
        (b"{}", "a.json"),
        (b'{"images": [', "a.json"),
        (coco(name="other.png"), "mine.json"),
    ],
)
def test_files_that_cannot_be_scored_fail_the_job(client, work_off, truth, found):
    answer = benchmark(client, ("truths", ("a.json", truth)), ("prediction", ("mine.json", coco())))
    work_off()
    job = client.get(answer.headers["location"]).json()
    assert job["state"] == "failed"
    assert found in job["error"]
    assert "/tmp" not in job["error"]
    detail = client.get(f"/v1/benchmarks/{job['id']}").json()["detail"]
    assert "failed" in detail


def test_what_makes_no_benchmark_is_refused(client):
    truth, mine = ("truths", ("a.json", coco())), ("prediction", ("mine.json", coco()))
    image = ("images", ("smear.png", picture()))
    for files in (
        [truth],
        [mine],
        [truth, mine, mine],
        [truth, mine, image],
        [("truths", ("a", b"\x89PNG")), mine],
    ):
        assert benchmark(client, *files).status_code == 422
    assert benchmark(client, truth, image, method="unet").status_code == 422
    job = submit(client, picture())
    assert client.get(f"/v1/benchmarks/{job['id']}").status_code == 404
