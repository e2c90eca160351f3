"""Work for actors that says who does it, and waits, fails or kills as an image asks."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from cascade.engines.protocol import Loaded
from cascade.errors import ImageError, ModelError


@dataclass(frozen=True)
class Errands:
    """Loads the work.

    Attributes:
        folder: a file `NAME.PID` appears in it when a process takes up an image.
        loading: `well`, `badly` (the model is missing), or `deadly`.
    """

    folder: Path
    loading: str = "well"

    def __call__(self, device):
        if self.loading == "badly":
            raise ModelError("expected a model, found none; fetch it")
        if self.loading == "deadly":
            (self.folder / f"load.{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)

        def work(name, then="answer"):
            (self.folder / f"{name}.{os.getpid()}").touch()
            while then == "wait":
                if (self.folder / "go").exists():
                    break
                time.sleep(0.02)
            if then == "fail":
                raise ImageError(f"{name}: expected é, found è; do ê")
            if then == "break":
                raise UnheardError(name)
            if then == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            return name, device

        return Loaded("stand-in", "f" * 64, work)


class UnheardError(Exception):
    """Of a kind that this process can neither pickle nor, elsewhere, unpickle."""

    def __init__(self, name):
        super().__init__(name)
        self.reason = (one for one in name)


def takers(folder, name, count=1, seconds=120):
    """Processes that took up an image, once there are so many."""
    until = time.monotonic() + seconds
    while len(found := sorted(folder.glob(f"{name}.*"))) < count:
        if time.monotonic() > until:
            raise TimeoutError(f"{name}: {found}")
        time.sleep(0.02)
    return [int(one.suffix[1:]) for one in found]
