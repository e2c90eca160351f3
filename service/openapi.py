"""`openapi.yaml`: generated from the application, kept in the repository, tested to be current."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml

from service.app import create_app
from service.context import open_service
from service.settings import Settings


def document() -> dict[str, Any]:
    """The API's description."""
    with tempfile.TemporaryDirectory() as folder:
        service = open_service(Settings(data=Path(folder), database_url=None, blobs_url=None))
        try:
            return create_app(service).openapi()
        finally:
            service.database.close()


def as_yaml() -> str:
    """The same as YAML, in the order in which it was written."""
    return yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=110)
