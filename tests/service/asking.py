"""What the service's tests ask it, and with what."""

from __future__ import annotations

import io
import os

import standin
from fastapi.testclient import TestClient
from PIL import Image

from service.app import create_app
from service.context import Service

HERE = "http://127.0.0.1"


def picture(blocks: int = 1, kind: str = "PNG", mark: int = 0) -> bytes:
    """A drawn field with so many sperm, as a file; `mark` makes fields differ."""
    pixels = standin.smear(blocks)
    pixels[-1, -1] = 200 + mark
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def pages(*blocks: int) -> bytes:
    """A TIFF with a page for each number of sperm."""
    images = [Image.fromarray(standin.smear(number)) for number in blocks]
    content = io.BytesIO()
    images[0].save(content, "TIFF", save_all=True, append_images=images[1:])
    return content.getvalue()


def client_of(service: Service, **options: object) -> TestClient:
    """A client on the same machine."""
    return TestClient(create_app(service), base_url=HERE, client=("127.0.0.1", 50000), **options)


DATABASE = os.environ.get("CS3_TEST_DATABASE_URL")
"""A PostgreSQL database to run these tests on, emptied before each; without it they run on SQLite."""


def submit(
    client: TestClient, *contents: bytes, headers: dict[str, str] | None = None, **fields: str
) -> dict:
    """Submit a job of files; its answer."""
    files = [("images", (f"smear-{number}.png", content)) for number, content in enumerate(contents, 1)]
    answer = client.post("/v1/jobs", files=files, data=fields, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()
