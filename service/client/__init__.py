"""Talk to a CS3 service from Python: needs httpx and pydantic, no image or array library.

    from service.client import Client

    with Client("http://127.0.0.1:8080") as client:
        for sperm in client.segment("smear.jpg", pixel_size_um=0.1).sperm: ...
        for answer in client.submit("slides/").results(): ...

`AsyncClient` does the same with `await`.
"""

from service.client.asynchronous import AsyncClient, AsyncJob
from service.client.errors import ImageFailedError, ProblemError, ServiceError, UnreachableError
from service.client.operations import FailedImage
from service.client.retrying import Patience
from service.client.sync import Client, RemoteJob

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "Client",
    "FailedImage",
    "ImageFailedError",
    "Patience",
    "ProblemError",
    "RemoteJob",
    "ServiceError",
    "UnreachableError",
]
