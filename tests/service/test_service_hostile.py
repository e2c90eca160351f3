"""The hostile files of benchmarks/service/corpus.py against API and decoder; hostile.py tries the whole."""

import runpy
from pathlib import Path

import pytest

from cascade.errors import ImageError
from cascade.images import is_known_format
from service.decoding import Decoder

CORPUS = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "service" / "corpus.py"))


@pytest.mark.slow
def test_hostile_zips_are_refused(client):
    for name, make in CORPUS["ZIPS"].items():
        answer = client.post("/v1/jobs", files={"images": ("smears.zip", make())})
        assert answer.status_code in (413, 415, 422), name
        assert answer.headers["content-type"] == "application/problem+json", name
        assert answer.json()["action"], name
        assert "passwd" not in answer.text, name
    assert client.get("/v1/jobs").json()["jobs"] == []


@pytest.mark.slow
def test_hostile_images_are_refused():
    decoder = Decoder(memory=1 << 30, seconds=20, max_pixels=50_000_000)
    try:
        for name, make in CORPUS["IMAGES"].items():
            print(name)
            content = make()
            if is_known_format(content[:16]):
                with pytest.raises(ImageError):  # the last name printed is the one at fault
                    decoder.decode(content)
        assert decoder.decode(CORPUS["sound"]()).pixels.shape == (48, 64, 3)
    finally:
        decoder.close()
