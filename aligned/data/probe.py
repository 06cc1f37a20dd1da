"""Is an ``.h5ad`` file sound enough to be read? Asked in a process of its own.

A damaged HDF5 file can hang or kill the process that reads it. `probe` lets a child walk the file
first; the child is this file run as a script, so that it imports h5py alone.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np

__all__ = ["probe"]

#: A child gets this long, and a second more for every so many bytes.
SECONDS, BYTES_PER_SECOND = 12, 50_000_000
#: Arrays up to here are read whole; of larger ones only where their parts lie.
_WHOLE = 64 * 2**20
#: No packed array is so much larger than its file.
_PACKED = 2000
_REFUSED = 3


def probe(path: str | Path) -> None:
    """Walk an HDF5 file in a child with a time limit.

    Raises
    ------
    ValueError
        The file is damaged: the child failed, died, or did not end in time.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "cells.h5ad"
    ...     with h5py.File(path, "w") as file:
    ...         file["obs"] = [1, 2]
    ...     probe(path)
    """
    stat = Path(path).stat()
    fault = _fault(str(path), stat.st_size, stat.st_mtime_ns)
    if fault:
        raise ValueError(
            f"{path} cannot be read as .h5ad ({fault}); it seems cut short, damaged or of another "
            "kind: download it again, or write it with adata.write_h5ad(path)."
        )


@lru_cache(maxsize=64)  # a file that has not changed is asked once
def _fault(path: str, size: int, changed: int) -> str:
    seconds = SECONDS + size / BYTES_PER_SECOND
    command = [sys.executable, "-P", __file__, path, str(int(seconds) + 1)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return f"HDF5 does not come to an end within {seconds:.0f} s"
    if done.returncode == _REFUSED:
        return done.stdout.strip()
    return f"HDF5 breaks down with {done.returncode}" if done.returncode else ""


def _walk(path: str) -> None:
    room = _PACKED * Path(path).stat().st_size + _WHOLE
    with h5py.File(path, "r") as file:
        names: list[str] = []
        file.visit(names.append)
        for name in ["/", *names]:
            item = file[name]
            dict(item.attrs)
            if isinstance(item, h5py.Dataset):
                _dataset(item, room)
            elif {"indptr", "indices", "data"} <= set(item):
                _sparse(item)


def _dataset(item: h5py.Dataset, room: int) -> None:
    if item.shape is None:
        return
    size = item.dtype.itemsize
    for length in item.shape:
        size *= int(length)
    if size > room:
        raise ValueError(f"{item.name} has the impossible shape {item.shape}")
    if size <= _WHOLE:
        item[()]
    elif item.chunks:
        item.id.get_num_chunks()


def _sparse(group: h5py.Group) -> None:
    parts = [group[name] for name in ("indptr", "indices", "data")]
    if any(not isinstance(part, h5py.Dataset) or part.ndim != 1 for part in parts):
        raise ValueError(f"{group.name} is no sparse matrix")
    starts = parts[0][...]
    shape = group.attrs.get("shape", group.attrs.get("h5sparse_shape"))
    kind = group.attrs.get("encoding-type", group.attrs.get("h5sparse_format"))
    lengths = [int(length) for length in np.atleast_1d(shape)]
    along = lengths[0] if str(kind).startswith("csr") else lengths[-1]
    if (
        len(lengths) != 2
        or starts.dtype.kind not in "iu"
        or parts[1].dtype.kind not in "iu"
        or len(starts) != along + 1
        or starts[0] != 0
        or (np.diff(starts.astype(np.int64)) < 0).any()
        or not starts[-1] == len(parts[1]) == len(parts[2])
    ):
        raise ValueError(f"indptr, indices, data and shape of {group.name} do not fit together")


if __name__ == "__main__":
    if hasattr(signal, "alarm"):  # it ends in time even where its parent is gone
        signal.alarm(int(sys.argv[2]))
    try:
        _walk(sys.argv[1])
    except Exception as error:
        text = " ".join(str(error).split())[:160].rstrip(".")
        print(text or type(error).__name__)
        sys.exit(_REFUSED)
