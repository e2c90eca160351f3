"""Candidates of images, kept in files: a fit can be repeated, or go on, without the cascade running again."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from pathlib import Path

from cascade.comparators.identity import identity
from cascade.environment import code_sha256
from cascade.exports.atomic import write_bytes
from cascade.fitting.candidates import Candidate, Found


class CandidateStore:
    """A folder of candidates, one file an image.

    Args:
        folder: made when the first are put; None: nothing is kept.
        settings: what the candidates depend on beside the image and the code, as JSON values.
    """

    def __init__(self, folder: Path | None, **settings: object) -> None:
        own = (f"fitting/{name}.py" for name in ("candidates", "collect", "truth"))
        self._folder = folder
        self._identity = identity("fit", code=code_sha256(*own), **settings)

    def get(self, image: str) -> Found | None:
        """The candidates of an image (any name that tells it from others), None where there are none."""
        if self._folder is None:
            return None
        try:
            values = json.loads(gzip.decompress(self._path(image).read_bytes()))
            return {kind: [Candidate(*one) for one in found] for kind, found in values.items()}
        except (OSError, EOFError, ValueError, AttributeError, TypeError, zlib.error):
            return None

    def put(self, image: str, found: Found) -> None:
        """Keep the candidates of an image.

        Raises:
            OutputError: the folder cannot be written.
        """
        if self._folder is not None:
            values = {
                kind: [(one.witnesses, one.right) for one in several] for kind, several in found.items()
            }
            write_bytes(self._path(image), gzip.compress(json.dumps(values).encode(), mtime=0))

    def _path(self, image: str) -> Path:
        name = hashlib.sha256(f"{self._identity} {image}".encode()).hexdigest()
        return (self._folder or Path()) / f"{name}.json.gz"
