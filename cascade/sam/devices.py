"""What a device's memory does, for programs that keep a model on it for long."""

from __future__ import annotations

import gc

import torch


def gpu_count() -> int:
    """GPUs that torch can use."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def memory_in_use(device: str) -> tuple[int, int] | None:
    """Bytes in use on a GPU, by all programs, and bytes in all; None for the CPU."""
    if not device.startswith("cuda"):
        return None
    free, total = torch.cuda.mem_get_info(device)
    return total - free, total


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or not."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # torch's allocator on the CPU raises a plain RuntimeError.
    return isinstance(error, RuntimeError) and "not enough memory" in str(error)


def free_memory() -> None:
    """Give back what is kept for later but not in use."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def use_threads(count: int) -> None:
    """Use so many threads for numerical work on the CPU."""
    torch.set_num_threads(count)
