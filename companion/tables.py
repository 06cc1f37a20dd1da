"""What an analysis leaves on disk: counts or tables, and a run record, written all or nothing."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from aligned._assets import asset
from aligned.data import Bundle
from aligned.files import contents, new_folder, recover
from aligned.reading import reason
from aligned.records import check_replaceable, read_record, run_record, write_record
from companion.engine import Results
from companion.sources import fingerprint

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Tables = TypeVar("Tables", bound=DataclassInstance)
else:
    Tables = TypeVar("Tables")

__all__ = ["check_results", "load_results", "load_tables", "record_of", "save_tables"]

#: Modules whose code counts rest on.
CODE = ("companion.arms",)
_MEND = "bring it back, or make the tables again with `aligned run`"


def save_tables(tables: Any, folder: str | Path, record: Mapping[str, Any]) -> Path:
    """Write `Results` as parquet files, or a dataclass of tables as CSV; and ``run.json``.

    In CSV numbers keep seven digits, so that files differ only where results do. Tables of an
    earlier run are replaced, runs in folders below them stay.

    Raises
    ------
    FileExistsError
        The folder holds anything but tables and records of ours.
    """
    folder = Path(folder)
    if isinstance(tables, Results):
        frames, ending = tables.frames(), "parquet"
    else:
        names = [field.name for field in dataclasses.fields(tables)]
        frames, ending = {name: getattr(tables, name) for name in names}, "csv"
    check_replaceable(folder, known=[f"{name}.{ending}" for name in frames])
    with new_folder(folder) as part:
        for name, table in frames.items():
            path = part / f"{name}.{ending}"
            if ending == "parquet":
                table.to_parquet(path, index=False)
            else:
                table.to_csv(path, index=False, float_format="%.7g")
        for path in contents(folder) if folder.is_dir() else ():
            if path.is_dir():
                shutil.copytree(path, part / path.name)
        write_record(record, part / "run.json")
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
    return {**run_record(asked, bundle.data, bundle.kb, seconds), "code": fingerprint(CODE)}


def check_results(folder: str | Path) -> pd.DataFrame:
    """Compare every file below a folder of results with the run record beside it.

    Returns
    -------
    DataFrame
        ``results, made, state, what``: one row per run record. *whole*: as it was written;
        *older*: whole, but by code that has changed since; *damaged*: ``what`` says which file.
    """
    now, rows = fingerprint(CODE), []
    for path in sorted(Path(folder).rglob("run.json")):
        row = {"results": str(path.parent), "made": "", "state": "whole", "what": ""}
        try:
            record = read_record(path, _MEND)
            row["made"] = str(record.get("created", ""))
            if record.get("code", now) != now:
                row |= {"state": "older", "what": "made by code that has changed since"}
        except ValueError as error:
            row |= {"state": "damaged", "what": str(error)}
        rows.append(row)
    return pd.DataFrame(rows, columns=["results", "made", "state", "what"])


def load_results(folder: str | Path) -> tuple[Results, dict[str, Any]]:
    """Read the counts that `save_tables` wrote: what a run left behind, and its record.

    Raises
    ------
    FileNotFoundError
        A file is missing; the message says how to make it.
    ValueError
        A file is not the one that was written.
    """
    folder = _find(folder, [f"{name}.parquet" for name in ("counts", "conditions", "fits")])
    record = read_record(folder / "run.json", _MEND)
    frames = {path.stem: _read(path) for path in sorted(folder.glob("*.parquet"))}
    counts, conditions, fits = (frames.pop(name) for name in ("counts", "conditions", "fits"))
    return Results(counts, conditions, fits, frames), record


def load_tables(kind: type[Tables], folder: str | Path) -> tuple[Tables, dict[str, Any]]:
    """Read the tables that `save_tables` wrote, or compute them from the counts it wrote.

    Raises
    ------
    FileNotFoundError
        A file is missing; the message says how to make it.
    ValueError
        A file is not the one that was written.
    """
    of = getattr(kind, "of", None)
    if of is not None and (_find(folder) / "counts.parquet").is_file():
        results, record = load_results(folder)
        return of(results), record
    names = [field.name for field in dataclasses.fields(kind)]
    folder = _find(folder, [f"{name}.csv" for name in names])
    record = read_record(folder / "run.json", _MEND)
    tables = {name: _read(folder / f"{name}.csv") for name in names}
    for name, table in tables.items():
        for column in ("stage", "before", "after", "other"):
            if column in table:
                filler = "" if name != "edits" or column == "other" else "0"
                tables[name][column] = table[column].fillna(filler).astype(str)
    return kind(**tables), record


def _find(folder: str | Path, needed: list[str] | None = None) -> Path:
    """The folder as given, or else beside the package: ``results/ecoli/…`` of the checkout."""
    folder = Path(folder)
    recover(folder)
    folder = folder if folder.is_dir() or folder.is_absolute() else asset(str(folder))
    for name in [*(needed or ()), *(["run.json"] if needed else [])]:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder / name} is missing; make the tables with `aligned run NOTEBOOK "
                "--edition EDITION`, or give the folder that holds them."
            )
    return folder


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, keep_default_na=False, na_values=["", "nan"])
    except Exception as error:
        raise ValueError(f"{path} cannot be read ({reason(error)}); {_MEND}.") from error
