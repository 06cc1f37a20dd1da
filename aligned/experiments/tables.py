"""Result tables on disk: CSV files and a run record in one folder, written all or nothing."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from aligned._assets import asset
from aligned.reading import read_text, reason
from aligned.records import write_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Tables = TypeVar("Tables", bound=DataclassInstance)
else:
    Tables = TypeVar("Tables")

__all__ = ["load_tables", "save_tables"]


def save_tables(tables: Any, folder: str | Path, record: Mapping[str, Any]) -> Path:
    """Write every table of a dataclass of DataFrames as ``<name>.csv``, and ``run.json``.

    Numbers keep seven digits, so that files differ only where results do.
    """
    folder = Path(folder)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for field in dataclasses.fields(tables):
        table = getattr(tables, field.name)
        table.to_csv(partial / f"{field.name}.csv", index=False, float_format="%.7g")
    write_json(dict(record), partial / "run.json")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


def _find(folder: Path) -> Path:
    """The folder as given, or else beside the package: ``results/ecoli/…`` of the checkout."""
    return folder if folder.is_dir() or folder.is_absolute() else asset(str(folder))


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path} cannot be read ({reason(error)}); make the tables again with `aligned run`."
    )


def load_tables(kind: type[Tables], folder: str | Path) -> tuple[Tables, dict[str, Any]]:
    """Read what `save_tables` wrote: the tables, and the run record.

    Raises
    ------
    FileNotFoundError
        A file is missing; the message says how to make it.
    ValueError
        A file is damaged.
    """
    folder = _find(Path(folder))
    tables = {}
    for field in dataclasses.fields(kind):
        path = folder / f"{field.name}.csv"
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing; make the tables with `aligned run NOTEBOOK --edition "
                "EDITION`, or give the folder that holds them."
            )
        try:
            tables[field.name] = pd.read_csv(path, keep_default_na=False, na_values=["", "nan"])
        except Exception as error:
            raise _damaged(path, error) from error
    path = folder / "run.json"
    try:
        record = dict(json.loads(read_text(path)))
    except (ValueError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from error
    for name, table in tables.items():
        for column in ("stage", "before", "after", "other"):
            if column in table:
                filler = "" if name != "edits" or column == "other" else "0"
                tables[name][column] = table[column].fillna(filler).astype(str)
    return kind(**tables), record
