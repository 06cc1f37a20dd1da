"""What the commands write: lines on stderr, files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "TABLES",
    "Device",
    "absolute",
    "check_file",
    "check_folder",
    "new_folder",
    "say",
    "swap",
    "write_file",
    "write_table",
]


class Device(StrEnum):
    """Where networks are trained."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


#: Endings of tables that can be written.
TABLES = (".csv", ".tsv", ".parquet")


def say(line: str) -> None:
    """One line on stderr."""
    print(f"aligned: {' '.join(line.split())}", file=sys.stderr, flush=True)


def absolute(path: str) -> Path:
    """The path with ``~`` and ``..`` resolved, so that it has a name and a parent."""
    return Path(os.path.abspath(Path(path).expanduser()))


def check_folder(out: Path, force: bool) -> None:
    """Make sure, before any work, that a folder may be written.

    Raises
    ------
    ValueError
        It exists and is not empty, unless ``force`` and a run of ours lies there; or nothing can
        be written at that place.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        if not force:
            raise ValueError(
                f"{out} exists already; name another folder, or add --force to replace it."
            )
        if not (out / "run.json").is_file():
            raise ValueError(
                f"{out} holds no run of ours (no run.json), so --force does not replace it; name "
                "another folder."
            )
    _check_place(out)


def check_file(out: Path, force: bool, endings: tuple[str, ...] = TABLES) -> None:
    """Make sure, before any work, that a file may be written.

    Raises
    ------
    ValueError
        Its ending is not among ``endings``, it exists (unless ``force``), or nothing can be
        written at that place.
    """
    if out.suffix not in endings:
        raise ValueError(f"--out {out.name}: write a file that ends in {', '.join(endings)}.")
    if out.is_dir() or (out.exists() and not force):
        raise ValueError(f"{out} exists already; name another file, or add --force to replace it.")
    _check_place(out)


def _check_place(out: Path) -> None:
    above = next(parent for parent in out.parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise ValueError(f"nothing can be written in {above}; name another place for --out.")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A scratch folder that becomes ``out`` when the block ends well, and vanishes otherwise."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        part = Path(scratch) / "part"
        part.mkdir()
        yield part
        swap(part, out)


def swap(part: Path, out: Path) -> None:
    """Rename ``part`` to ``out``; what was there goes only then."""
    if not out.exists():
        part.rename(out)
        return
    old = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-old-")) / "old"
    out.rename(old)
    part.rename(out)
    shutil.rmtree(old.parent)


def write_file(out: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a scratch file with the same ending, then give it its name."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        part = Path(scratch) / out.name
        write(part)
        part.replace(out)
    return out


def write_table(frame: pd.DataFrame, out: Path) -> Path:
    """Write a table as its ending says (`TABLES`)."""
    if out.suffix == ".parquet":
        return write_file(out, lambda part: frame.to_parquet(part, index=False))
    separator = "\t" if out.suffix == ".tsv" else ","
    return write_file(out, lambda part: frame.to_csv(part, index=False, sep=separator))
