"""What computes, in words, and how much of its memory has been used."""

from __future__ import annotations

import os


def describe(device: str) -> str:
    """A device as `load_model` resolves it ("auto", "cpu", "cuda:0", …), in words for a table.

    Raises:
        DeviceError: the device is not there.
    """
    import torch  # noqa: PLC0415  slow to import

    from cascade.sam.registry import resolve_device  # noqa: PLC0415  only where torch is wanted

    resolved = resolve_device(device)
    if resolved.startswith("cuda"):
        return torch.cuda.get_device_name(resolved)
    threads, cores = torch.get_num_threads(), os.cpu_count()
    return f"CPU, {threads} thread{'s' * (threads != 1)} of {cores} cores"


def peak_gpu_memory(device: str) -> int | None:
    """The most memory that tensors have held on a resolved device, bytes; None on the CPU."""
    import torch  # noqa: PLC0415  slow to import

    return torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else None
