"""The process that decodes images from strangers, with limits on memory and processor time.

It is started by `decoding`, reads a line of JSON for each picture wanted, and answers with a line of JSON and
the pixels. Whatever a hostile file does to a decoder, it does to this process alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
from typing import Any, BinaryIO

import cv2

from cascade.errors import ImageError
from cascade.images import ImageFile


def main() -> None:
    """Serve requests until the input ends. Arguments: bytes of memory, seconds a picture."""
    memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    cv2.setNumThreads(1)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # a library that prints must not speak into the answers
    _limit_memory(memory)
    for line in sys.stdin.buffer:
        _limit_time(seconds)
        _answer(json.loads(line), answers)


def _answer(request: dict[str, Any], answers: BinaryIO) -> None:
    try:
        with ImageFile(request["path"], request["max_pixels"]) as file:
            pages = len(file)
            image = file.read(request["page"])
    except ImageError as error:
        _say(answers, {"error": str(error).removeprefix(f"{os.path.basename(request['path'])}: ")})  # noqa: PTH119
        return
    except MemoryError:
        _say(answers, {"error": "expected an image that fits the memory, found one that does not"})
        return
    _say(answers, {"pages": pages, "shape": image.pixels.shape, "pixel_size": image.pixel_size})
    view = image.pixels.reshape(-1).data
    while view:
        view = view[answers.write(view) :]


def _say(answers: BinaryIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")


def _limit_memory(memory: int) -> None:
    """`memory` bytes beside what the libraries themselves have mapped."""
    mapped = 0
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as status:  # noqa: PTH123
        mapped = int(status.read().split()[0]) * resource.getpagesize()
    with contextlib.suppress(OSError, ValueError):  # some systems know no such limit
        resource.setrlimit(resource.RLIMIT_AS, (mapped + memory, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):  # it writes nothing to disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _limit_time(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
