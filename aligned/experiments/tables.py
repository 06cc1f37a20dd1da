"""Result tables on disk: CSV files and a run record in one folder, written all or nothing."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from aligned._assets import asset
from aligned.files import contents, new_folder, recover
from aligned.records import check_replaceable, read_record, write_record

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Tables = TypeVar("Tables", bound=DataclassInstance)
else:
    Tables = TypeVar("Tables")

__all__ = ["load_tables", "save_tables"]


def save_tables(tables: Any, folder: str | Path, record: Mapping[str, Any]) -> Path:
    """Write every table of a dataclass of DataFrames as ``<name>.csv``, and ``run.json``.

    Numbers keep seven digits, so that files differ only where results do. Tables of an earlier run
    are replaced, runs in folders below them stay.

    Raises
    ------
    FileExistsError
        The folder holds anything but tables and records of ours.
    """
    folder = Path(folder)
    names = [field.name for field in dataclasses.fields(tables)]
    check_replaceable(folder, known=[f"{name}.csv" for name in names])
    with new_folder(folder) as part:
        for name in names:
            path = part / f"{name}.csv"
            getattr(tables, name).to_csv(path, index=False, float_format="%.7g")
        for path in contents(folder) if folder.is_dir() else ():
            if path.is_dir():
                shutil.copytree(path, part / path.name)
        write_record(record, part / "run.json")
    return folder


def _find(folder: Path) -> Path:
    """The folder as given, or else beside the package: ``results/ecoli/…`` of the checkout."""
    return folder if folder.is_dir() or folder.is_absolute() else asset(str(folder))


def load_tables(kind: type[Tables], folder: str | Path) -> tuple[Tables, dict[str, Any]]:
    """Read what `save_tables` wrote: the tables, and the run record.

    Raises
    ------
    FileNotFoundError
        A file is missing; the message says how to make it.
    ValueError
        A file is not the one that was written.
    """
    folder = Path(folder)
    recover(folder)
    folder = _find(folder)
    names = [field.name for field in dataclasses.fields(kind)]
    for path in (*(folder / f"{name}.csv" for name in names), folder / "run.json"):
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing; make the tables with `aligned run NOTEBOOK --edition "
                "EDITION`, or give the folder that holds them."
            )
    record = read_record(folder / "run.json", "bring it back, or make the tables again")
    tables = {
        name: pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=["", "nan"])
        for name in names
    }
    for name, table in tables.items():
        for column in ("stage", "before", "after", "other"):
            if column in table:
                filler = "" if name != "edits" or column == "other" else "0"
                tables[name][column] = table[column].fillna(filler).astype(str)
    return kind(**tables), record
