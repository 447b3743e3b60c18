"""Devices: the GPUs that torch sees, and the memory of the machine."""

import os
from dataclasses import dataclass
from pathlib import Path

# Of a container; absent, or "max", where there is no limit.
_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str
    memory: int
    """bytes"""


def gpus() -> list[Gpu]:
    """Those that torch can use. Raises ImportError or OSError where torch cannot be imported."""
    # Seconds, which only those wait who need a GPU.
    import torch  # noqa: PLC0415

    if not torch.cuda.is_available():
        return []
    found = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return [Gpu(one.name, one.total_memory) for one in found]


def machine_memory() -> int:
    """Bytes of the machine, or as many as the container may take."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(total, int(_LIMIT.read_text("ascii")))
    except (OSError, ValueError):
        return total
