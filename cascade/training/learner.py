"""One step of learning, whatever the network: rate, losses, gradients, running average."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Collection, Mapping
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from cascade.errors import ModelError

_AVERAGE_DECAY = 0.998
_MOST_GRADIENT = 5.0


class Learner:
    """A network, its running average and its optimiser.

    Args:
        network: moved to the device.
        device: where to train.
        rate: peak learning rate.
    """

    def __init__(self, network: nn.Module, device: torch.device, rate: float) -> None:
        self.step = 0
        self._device = device
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._average = AveragedModel(self._network, avg_fn=_running_average, use_buffers=True)
        self._optimiser = torch.optim.AdamW(self._network.parameters(), lr=rate, weight_decay=0.02)

    @property
    def average(self) -> nn.Module:
        """The network with the running average of the weights: what is used in the end."""
        return self._average.module

    def update(
        self, losses: Mapping[str, Tensor], rate: float, taught: Collection[str] | None = None
    ) -> dict[str, float]:
        """Take one step down the sum of the losses.

        Args:
            losses: of this step.
            rate: its learning rate.
            taught: losses that are summed, the others are only told; None: all.

        Raises:
            ModelError: the training diverged.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        total = torch.stack([value for name, value in losses.items() if not taught or name in taught]).sum()
        if not bool(torch.isfinite(total)):
            raise ModelError(
                f"step {self.step + 1}: expected finite losses, found {float(total.detach())}: the training "
                "diverged; begin anew with a lower learning rate. The last checkpoint is untouched."
            )
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), _MOST_GRADIENT)
        self._optimiser.step()
        self._average.update_parameters(self._network)
        self.step += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def state(self) -> dict[str, Any]:
        """Everything to go on from."""
        return {
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "step": self.step,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])


def cosine_rate(peak: float, step: int, steps: int) -> float:
    """Learning rate of a step: it rises over the first 3 % and falls as a cosine to 1 %."""
    rise = min(1.0, (step + 1) / max(1.0, 0.03 * steps))
    fall = 0.5 * (1 + math.cos(math.pi * step / steps))
    return peak * rise * max(fall, 0.01)


def trains_in_bfloat16(device: torch.device) -> bool:
    """Whether convolutions are learnt faster in bfloat16: on CUDA from Ampere on, on CPUs that have it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def begin_worker(_: int) -> None:
    """A worker draws on one core, leaves Ctrl-C to its parent, and ends with it even when that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # torch's own check misses a parent that is killed while its worker starts.
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _running_average(average: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
    """Exponential average that forgets its beginning: nearly a plain mean at first."""
    if not average.is_floating_point():
        return value
    decay = min(_AVERAGE_DECAY, (1 + float(count)) / (10 + float(count)))
    return average * decay + value * (1 - decay)
