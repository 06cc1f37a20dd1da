"""Threads: no more than there are cores at hand, and none that waits by spinning.

Numerical libraries start a thread per core and let each spin while it waits for the others. With
one other busy process a refinement then took 20 times as long. The libraries read these variables
once, when they are loaded, so `aligned` imports this module first, which sets them. Import it
before PyTorch; NumPy may come first, as `refine` gives its small products one thread. What is set
already stays.
"""

from __future__ import annotations

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

__all__ = ["cores_at_hand", "settle"]

#: OpenMP (all, LLVM's and Intel's) and OpenBLAS (the logarithm of its cycles): sleep, do not spin.
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "OPENBLAS_THREAD_TIMEOUT": "4"}

#: Share of the cores that a container may use, under Linux: microseconds per period.
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cores_at_hand(quota: Path = _QUOTA) -> int:
    """Cores that this process may use: by its affinity, and by its container's quota."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on every system
    cores = len(allowed(0)) if allowed else os.cpu_count() or 1
    if quota.is_file():
        share, period = quota.read_text(encoding="utf-8").split()
        if share != "max":
            cores = min(cores, math.ceil(int(share) / int(period)))
    return max(cores, 1)


def settle(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set what is not set yet: one thread per core at hand, and passive waiting.

    Examples
    --------
    >>> variables = {"OMP_NUM_THREADS": "3"}
    >>> settle(variables)
    >>> variables["OMP_NUM_THREADS"], variables["OMP_WAIT_POLICY"]
    ('3', 'PASSIVE')
    """
    for name, value in {"OMP_NUM_THREADS": str(cores_at_hand()), **PASSIVE}.items():
        environment.setdefault(name, value)


settle()
