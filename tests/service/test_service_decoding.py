"""Images from strangers are decoded elsewhere: what they break is replaced."""

import io
import struct
import zlib

import numpy as np
import pytest
import standin
import tifffile
from asking import pages, picture, submit
from PIL import Image

from cascade.errors import ImageError
from service.decoding import Decoder

MIB = 1 << 20


@pytest.fixture(scope="module")
def decoder():
    made = Decoder(memory=512 * MIB, seconds=20, max_pixels=30_000_000)
    yield made
    made.close()


def png(width, height, data=b""):
    """A PNG whose header announces a size."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_pixels_arrive_as_they_are(decoder):
    decoded = decoder.decode(picture(2))
    assert np.array_equal(decoded.pixels[:-1], standin.smear(2)[:-1])
    assert (decoded.pages, decoded.pixel_size) == (1, None)


def test_pages_and_pixel_sizes(decoder):
    assert decoder.decode(pages(1, 2, 3)).pages == 3
    assert np.array_equal(decoder.decode(pages(1, 2, 3), page=3).pixels, standin.smear(3))
    content = io.BytesIO()
    tifffile.imwrite(
        content, standin.smear(1), resolution=(1e4 / 0.1, 1e4 / 0.1), resolutionunit="CENTIMETER"
    )
    assert decoder.decode(content.getvalue()).pixel_size == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "empty file"),
        (b"hello, I am no image", "expected PNG, JPEG, TIFF or BMP"),
        (picture()[:80], "cut short"),
        (png(100_000, 100_000), "30000000 pixels"),
        (png(5000, 5000, zlib.compress(b"\0" * 1000)), "expected"),
    ],
)
def test_what_is_wrong_is_said_without_names(decoder, content, found):
    with pytest.raises(ImageError) as caught:
        decoder.decode(content)
    assert found in str(caught.value)
    assert "/tmp" not in str(caught.value)
    assert "image:" not in str(caught.value)
    assert decoder.decode(picture()).pages == 1


def test_memory_is_limited():
    greedy = Decoder(memory=64 * MIB, seconds=20, max_pixels=10**9)
    try:
        content = io.BytesIO()
        Image.new("RGB", (8000, 8000)).save(content, "PNG")
        with pytest.raises(ImageError, match=r"memory|exhaust"):
            greedy.decode(content.getvalue())
        assert greedy.decode(picture()).pages == 1
    finally:
        greedy.close()


def test_time_is_limited_and_a_dead_decoder_replaced(monkeypatch):
    slow = Decoder(memory=512 * MIB, seconds=20, max_pixels=10**6)
    try:
        slow.decode(picture())
        first = slow._process
        first.kill()
        first.wait()
        assert slow.decode(picture()).pages == 1
        assert slow._process.pid != first.pid
        slow._seconds = 0
        with pytest.raises(ImageError, match="decoded within 0 s"):
            slow.decode(picture())
        slow._seconds = 20
        assert slow.decode(picture()).pages == 1
    finally:
        slow.close()


def test_a_worker_survives_whatever_it_is_sent(client, work_off):
    job = submit(client, png(100_000, 100_000), picture()[:-20], b"II*\0" + b"\xff" * 100, picture(1))
    work_off()
    images = client.get(f"/v1/jobs/{job['id']}").json()["images"]
    assert images[-1]["state"] == "succeeded"
    assert images[0]["state"] == "failed"
    assert "Traceback" not in repr(images)
