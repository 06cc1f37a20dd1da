"""What the commands write: lines on stderr, files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from aligned.files import check_place, is_empty, recover, write_file

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "TABLES",
    "Device",
    "absolute",
    "check_file",
    "check_folder",
    "say",
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
        It exists and is not empty, unless ``force``; or nothing can be written at that place.
    FileExistsError
        ``force``, but what lies there is no run of ours, or more than that.
    """
    recover(out)
    if out.exists() and not is_empty(out):
        if not force:
            raise ValueError(
                f"{out} exists already; name another folder, or add --force to replace it."
            )
        from aligned.records import check_replaceable

        check_replaceable(out)
    check_place(out)


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
    check_place(out)


def write_table(frame: pd.DataFrame, out: Path) -> Path:
    """Write a table as its ending says (`TABLES`)."""
    if out.suffix == ".parquet":
        return write_file(out, lambda part: frame.to_parquet(part, index=False))
    separator = "\t" if out.suffix == ".tsv" else ","
    return write_file(out, lambda part: frame.to_csv(part, index=False, sep=separator))
