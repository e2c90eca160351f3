"""Decoding images from strangers: a process of its own does it, and is replaced when it dies over one."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cascade.errors import ImageError
from cascade.types import UInt8Array

_PIPE = 1 << 20  # bytes; larger pipes need fewer turns


@dataclass(frozen=True, eq=False)
class Decoded:
    """One picture.

    Attributes:
        pixels: `(h, w, 3)` uint8 RGB as shown.
        pixel_size: µm a pixel where the file states it.
        pages: how many pictures the file has.
    """

    pixels: UInt8Array
    pixel_size: float | None
    pages: int


class Decoder:
    """A decoding process, started when it is first needed. One thread at a time.

    Args:
        memory: bytes that a picture may take.
        seconds: that a picture may take.
        max_pixels: the largest picture.
    """

    def __init__(self, memory: int, seconds: float, max_pixels: int) -> None:
        self._memory, self._seconds, self._max_pixels = memory, seconds, max_pixels
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="cs3-decode-")

    def decode(self, content: bytes, page: int | None = None) -> Decoded:
        """Decode one picture of a file; None is the first.

        Raises:
            ImageError: not an image, damaged, too large, or more than memory and time allow.
        """
        path = Path(self._folder.name) / "image"
        path.write_bytes(content)
        request = {"path": str(path), "page": page, "max_pixels": self._max_pixels}
        try:
            return self._ask(request)
        except TimeoutError as error:
            self._stop()
            raise ImageError(
                f"expected an image that is decoded within {self._seconds:g} s, found one that takes longer; "
                "save it as PNG or TIFF without compression"
            ) from error
        except (EOFError, BrokenPipeError, ValueError) as error:
            self._stop()
            raise ImageError(
                "expected an image that can be decoded, found one over which the decoder died, damaged or "
                "made to exhaust it; copy it again from its source or save it as PNG"
            ) from error
        finally:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """End the process."""
        self._stop()
        self._folder.cleanup()

    def _ask(self, request: dict[str, Any]) -> Decoded:
        process = self._started()
        if process.stdin is None or process.stdout is None:
            raise EOFError
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        reader = _Reader(process.stdout.fileno(), time.monotonic() + self._seconds)
        answer = json.loads(reader.line())
        if "error" in answer:
            raise ImageError(answer["error"])
        height, width, channels = answer["shape"]
        pixels = np.frombuffer(reader.exactly(height * width * channels), np.uint8)
        return Decoded(pixels.reshape(height, width, channels), answer["pixel_size"], answer["pages"])

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._stop()
        if self._process is None:
            one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service.decoder", str(self._memory), str(self._seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | one_thread,
                pipesize=_PIPE,
            )
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        process.wait()


class Decoders:
    """As many decoders as threads need at a time.

    Args:
        memory, seconds, max_pixels: as `Decoder` takes them.
    """

    def __init__(self, memory: int, seconds: float, max_pixels: int) -> None:
        self._limits = memory, seconds, max_pixels
        self._all: list[Decoder] = []
        self._free: list[Decoder] = []
        self._lock = threading.Lock()

    @contextmanager
    def lent(self) -> Iterator[Decoder]:
        """One for the time of a `with` block, which nobody else has."""
        with self._lock:
            if not self._free:
                self._free.append(Decoder(*self._limits))
                self._all.append(self._free[0])
            decoder = self._free.pop()
        try:
            yield decoder
        finally:
            with self._lock:
                self._free.append(decoder)

    def close(self) -> None:
        """End them all."""
        for decoder in self._all:
            decoder.close()


class _Reader:
    """Reads from a pipe until a moment."""

    def __init__(self, descriptor: int, until: float) -> None:
        self._descriptor, self._until = descriptor, until
        self._rest = bytearray()

    def line(self) -> bytes:
        while (end := self._rest.find(b"\n")) < 0:
            self._rest += self._some(65536)
        line, self._rest = bytes(self._rest[:end]), self._rest[end + 1 :]
        return line

    def exactly(self, size: int) -> bytearray:
        out = bytearray(size)
        have = min(size, len(self._rest))
        out[:have] = self._rest[:have]
        view = memoryview(out)
        while have < size:
            self._wait()
            count = os.readv(self._descriptor, [view[have:]])
            if not count:
                raise EOFError
            have += count
        return out

    def _some(self, most: int) -> bytes:
        self._wait()
        data = os.read(self._descriptor, most)
        if not data:
            raise EOFError
        return data

    def _wait(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0 or not select.select([self._descriptor], [], [], left)[0]:
            raise TimeoutError
