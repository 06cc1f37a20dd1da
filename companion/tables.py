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
from aligned.data import Bundle
from aligned.reading import read_text, reason
from aligned.records import run_record, write_json
from companion.engine import Results

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Tables = TypeVar("Tables", bound=DataclassInstance)
else:
    Tables = TypeVar("Tables")

__all__ = ["load_results", "load_tables", "record_of", "save_tables"]


def save_tables(tables: Any, folder: str | Path, record: Mapping[str, Any]) -> Path:
    """Write every table of a dataclass of DataFrames as ``<name>.csv``, and ``run.json``.

    `Results`, the counts of a run, become parquet files instead.

    Numbers keep seven digits, so that files differ only where results do.
    """
    folder = Path(folder)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if isinstance(tables, Results):
        for name, table in tables.frames().items():
            table.to_parquet(partial / f"{name}.parquet", index=False)
    else:
        for field in dataclasses.fields(tables):
            table = getattr(tables, field.name)
            table.to_csv(partial / f"{field.name}.csv", index=False, float_format="%.7g")
    write_json(dict(record), partial / "run.json")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


def record_of(
    results: Results, bundle: Bundle, edition: str, settings: Any, **more: Any
) -> dict[str, Any]:
    """The run record of a run's counts: its settings, and how long all its fits took together.

    Fits that another analysis has made already count as if they had been made here.
    """
    asked = {"edition": edition, "settings": settings.to_dict(), **more}
    once = results.fits.drop_duplicates(["split", "seed", "fold", "seconds"])
    seconds = float(once["seconds"].sum()) / max(settings.n_jobs, 1)
    return run_record(asked, bundle.data, bundle.kb, seconds)


def _find(folder: Path) -> Path:
    """The folder as given, or else beside the package: ``results/ecoli/…`` of the checkout."""
    return folder if folder.is_dir() or folder.is_absolute() else asset(str(folder))


def load_results(folder: str | Path) -> tuple[Results, dict[str, Any]]:
    """Read the counts that `save_tables` wrote: what a run left behind, and its record.

    Raises
    ------
    FileNotFoundError
        A file is missing; the message says how to make it.
    """
    folder = _find(Path(folder))
    frames = {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
    for name in ("counts", "conditions", "fits"):
        if name not in frames:
            raise FileNotFoundError(
                f"{folder / name}.parquet is missing; make the counts with `aligned run NOTEBOOK "
                "--edition EDITION`, or give the folder that holds them."
            )
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    counts, conditions, fits = (frames.pop(name) for name in ("counts", "conditions", "fits"))
    return Results(counts, conditions, fits, frames), record


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
