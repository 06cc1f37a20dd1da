"""Damaged files of every kind, read in a child: ``python -m benchmarks.reliability``.

A sound file of each kind is made, then changed: bytes flipped, cut, doubled, a byte-order mark,
brackets in brackets, words and numbers that no reader expects; inside ``.h5ad`` also indices, sizes
and attributes. What must come out is data, or one sentence that says what is wrong. Anything else
is counted: a foreign exception, a hang, the death of the process.
"""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
import typer
from anndata import AnnData

from aligned.cells import Reading, import_cells
from aligned.cli.predictions import call, read_predictions
from aligned.data import Bundle, DataError, files, load, load_data, load_edges, registry, save
from aligned.data.folder import read_gmt
from aligned.data.responses import read_responses
from aligned.knowledge import KnowledgeBase
from aligned.records import run_record
from aligned.simulate import simulate
from companion.book.editions import load_edition
from companion.book.study import example_tables, read_bundle, read_study, write_study
from companion.tables import load_tables, save_tables

OUT = Path(__file__).resolve().parents[1] / "results" / "reliability"
#: A reader that takes longer hangs.
LIMIT_S = 20.0
MEMORY = 12 * 2**30
OUTCOMES = ("ok", "refused", "foreign", "hang", "abort")
_OURS = (ValueError, FileNotFoundError, DataError)
_LONGEST = 600


@dataclass(frozen=True)
class Inputs:
    """``kind, inputs`` and how many came to each of `OUTCOMES`."""

    inputs: pd.DataFrame


# ---------------------------------------------------------------------------- kinds of files


def _edges(path: Path) -> None:
    KnowledgeBase.from_edges(load_edges(path))


def _predictions(path: Path) -> None:
    call(read_predictions(path), 0.5)


def _study(path: Path) -> None:
    read_bundle(read_study(path.parent))


def _registry(path: Path) -> None:
    files(registry=path)
    registry.check(registry=path)


def _tables(path: Path) -> None:
    load_tables(Inputs, path.parent)


#: What is damaged (a path in the folder of `sound_files`), and who reads it.
KINDS: dict[str, Callable[[Path], object]] = {
    "edges.csv": _edges,
    "edges.parquet": _edges,
    "edges.sif": _edges,
    "sets.gmt": read_gmt,
    "responses.csv": lambda path: read_responses(path, 1.0),
    "responses.parquet": lambda path: read_responses(path, 1.0),
    "predictions.csv": _predictions,
    "predictions.parquet": _predictions,
    "predictions.h5ad": _predictions,
    "data.h5ad": load_data,
    "cells.h5ad": lambda path: import_cells(path, Reading(kind="ko")),
    "bundle/card.yaml": lambda path: load(path.parent),
    "bundle/genes.csv": lambda path: load(path.parent),
    "bundle/edges.csv": lambda path: load(path.parent),
    "bundle/data.h5ad": lambda path: load(path.parent),
    "study/study.yaml": _study,
    "edition/edition.yaml": lambda path: load_edition(str(path.parent)),
    "registry.yaml": _registry,
    "tables/inputs.csv": _tables,
    "tables/run.json": _tables,
}


def sound_files(folder: Path) -> None:
    """Write one file of each kind, small and without a fault."""
    made = simulate(n_genes=40, n_regulators=10, seed=1)
    sets = {"one": list(made.kb.genes[:5]), "two": list(made.kb.genes[4:9])}
    about = {"title": "A study", "what": "made up", "licence": "CC0", "n": 3}
    save(Bundle(made.data, made.kb, None, made.go_counts, sets, about), folder / "bundle")
    shutil.copy(folder / "bundle" / "gene_sets.gmt", folder / "sets.gmt")
    for name in ("data.h5ad", "predictions.h5ad"):
        shutil.copy(folder / "bundle" / "data.h5ad", folder / name)
    responses, edges = example_tables()
    edges.to_csv(folder / "edges.csv", index=False)
    edges.to_parquet(folder / "edges.parquet")
    lines = edges[["source", "sign", "target"]].astype(str).agg(" ".join, axis=1)
    (folder / "edges.sif").write_text("\n".join(lines) + "\n")
    responses.to_csv(folder / "responses.csv", index=False)
    responses.to_parquet(folder / "responses.parquet")
    long = responses.drop(columns="perturbation").melt("condition", var_name="gene")
    predicted = long.rename(columns={"value": "prediction"}).head(200)
    predicted.to_csv(folder / "predictions.csv", index=False)
    predicted.to_parquet(folder / "predictions.parquet")
    write_study(folder / "study")
    _cells(folder / "cells.h5ad")
    (folder / "edition").mkdir()
    (folder / "edition" / "edition.yaml").write_text(
        "edition: mine\ntitle: Mine\ndata: demo\nyardstick: {k: 2, rule: boolean}\n"
        "notebooks:\n  03_ecoli_iterations: {folds: 3, splits: [control_safe]}\n"
        "pages:\n- {page: a, notebook: 01_inconsistency, parameters: {tables: x}}\n"
    )
    entry = {"name": "a.csv", "url": "https://example.org/a.csv", "sha256": 64 * "0", "bytes": 9}
    words = {"licence": "MIT", "citation": "me", "content": "numbers", "terms": "none"}
    lines = [f"    {key}: {value}" for key, value in {**entry, **words}.items()]
    text = "files:\n  -\n" + "\n".join(lines) + "\n    editions: [toy]\n"
    (folder / "registry.yaml").write_text(text.replace(64 * "0", f'"{64 * "0"}"'))
    save_tables(Inputs(predicted.head(20)), folder / "tables", run_record({}))


def _cells(path: Path) -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(["control", "G0", "G1"], 12)
    counts = rng.poisson(2.0, (36, 20)).astype(np.float32)
    counts[groups == "G0", 5:9] *= 4
    obs = pd.DataFrame({"condition": groups}, index=[f"c{i}" for i in range(36)])
    cells = AnnData(sp.csr_matrix(counts), obs, pd.DataFrame(index=[f"G{i}" for i in range(20)]))
    cells.write_h5ad(path)


# ---------------------------------------------------------------------------------- damage

_WORDS = (
    *("", " ", "5", "-1", "0", "1e308", "inf", "-inf", "nan", "NaN", "null", "true", "9" * 400),
    *("../x", "/etc/x", "http://a/b", "2024-13-45", "2020-01-01", "[]", "{}", "[[1], {a: b}]"),
    *("!!binary x", "!!python/object:os.x {}", "&a [*a]", "*b", "0x", "'", '"', ",", ";", "\t"),
    *("sign", "gene", "condition", "\x07", "\u200b", "\ud7ff", "\N{SNOWMAN}", "~nobody/x", "? x"),
    *("[" * 2000, "{" * 2000, "a: " * 500, "x" * 5000, "\\ud800", "<<: {a: b}", "|", ">", "%"),
)
_ENDS = (b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"\r", b"\x1a", b"\xe9")


def damaged(kind: str, data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes of a file of this kind, changed at one to three places."""
    if kind.endswith(".h5ad") and rng.random() < 0.7:  # whatever shifts its bytes is soon refused
        return _flipped(data, rng)
    for _ in range(int(rng.integers(1, 4))):
        text = kind.endswith((".csv", ".sif", ".gmt", ".yaml", ".json"))
        at = int(rng.integers(len(data) + 1))
        end = min(len(data), at + int(rng.integers(1, 60)))
        how = int(rng.integers(9 if text else 5))
        if how == 0:
            data = data[:at]
        elif how == 1:
            data = data[:at] + data[end:]
        elif how == 2:
            data = data[:end] + data[at:end] + data[end:]
        elif how == 3:
            extra = _ENDS[rng.integers(len(_ENDS))]
            data = extra + data if rng.random() < 0.5 else data[:at] + extra + data[at:]
        elif how == 4:
            data = _flipped(data, rng)
        else:
            data = _other_word(data, rng)
    return data


def _flipped(data: bytes, rng: np.random.Generator) -> bytes:
    flipped = bytearray(data)
    for place in rng.integers(max(1, len(data)), size=int(rng.integers(1, 9))):
        if place < len(flipped):
            flipped[place] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


def _other_word(data: bytes, rng: np.random.Generator) -> bytes:
    """One word of a text (what stands between separators) replaced by an odd one."""
    ends = [i for i, byte in enumerate(data) if byte in b",:\t\n[]{} "]
    new = _WORDS[rng.integers(len(_WORDS))].encode()
    if len(ends) < 2:
        return data + new
    i = int(rng.integers(len(ends) - 1))
    return data[: ends[i] + 1] + new + data[ends[i + 1] :]


def damage_inside(path: Path, rng: np.random.Generator) -> None:
    """Change a number, a length or an attribute of an HDF5 file by HDF5's own means."""
    with h5py.File(path, "r+") as file:
        found: list[str] = []
        file.visit(found.append)
        name = found[rng.integers(len(found))]
        item = file[name]
        how = int(rng.integers(4))
        if how == 0 and item.attrs:
            key = sorted(item.attrs)[rng.integers(len(item.attrs))]
            values = ("csc_matrix", "dataframe", "x", -1, [10**9, 10**9], [1, -5], [], 2**62)
            item.attrs[key] = values[rng.integers(len(values))]
        elif how == 1:
            del file[name]
        elif isinstance(item, h5py.Dataset) and item.dtype.kind in "iuf" and item.size:
            odd = (-1, 10**6, 2**31 - 1, -(2**31), 0, 7)
            flat = item[...].reshape(-1)
            with np.errstate(all="ignore"):
                for place in rng.integers(flat.size, size=int(rng.integers(1, 5))):
                    flat[place] = np.array(odd[rng.integers(len(odd))]).astype(flat.dtype)
            item[...] = flat.reshape(item.shape)
        elif isinstance(item, h5py.Dataset):
            value = item[...]
            del file[name]
            file[name] = value[: len(value) // 2] if value.ndim else np.int8(3)
        else:
            file[name + "x"] = np.arange(3)


# ------------------------------------------------------------------------- reading in a child


def attack(kind: str, folder: Path, number: int, seed: int) -> tuple[str, str]:
    """Damage a file, read it, put the sound one back: outcome, and the error that is not ours."""
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode()), number])
    path = folder / kind
    sound = path.read_bytes()
    try:
        if kind.endswith(".h5ad") and rng.random() < 0.5:
            damage_inside(path, rng)
        else:
            path.write_bytes(damaged(kind, sound, rng))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            KINDS[kind](path)
    except Exception as error:
        text = str(error)
        told = len(text) < _LONGEST and "\n" not in text and text.endswith((".", "?"))
        if isinstance(error, _OURS) and told:
            return "refused", ""
        last = traceback.extract_tb(error.__traceback__)[-1]
        return "foreign", f"{type(error).__name__} at {Path(last.filename).name}: {text[:300]}"
    finally:
        path.write_bytes(sound)
    return "ok", ""


def serve(pipe: Connection, seed: int) -> None:
    """A child: attack what is asked for, until nobody asks."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError):  # a system without such limits
        pass
    with tempfile.TemporaryDirectory(prefix="aligned-reliability-") as folder:
        sound_files(Path(folder))
        pipe.send("ready")
        while asked := pipe.recv():
            pipe.send(attack(asked[0], Path(folder), asked[1], seed))


class Child:
    """A process that reads damaged files, started again when it dies or hangs."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._start()

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=serve, args=(theirs, self._seed), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()

    def ask(self, kind: str, number: int) -> tuple[str, str]:
        try:
            self._pipe.send((kind, number))
            if self._pipe.poll(LIMIT_S):
                return self._pipe.recv()
            found = ("hang", f"more than {LIMIT_S:g} s")
        except (EOFError, OSError):
            self._process.join(5)
            found = ("abort", f"the process ended with {self._process.exitcode}")
        self.stop()
        self._start()
        return found

    def stop(self) -> None:
        self._process.kill()
        self._process.join()


def run(inputs: int, seconds: float, seed: int) -> Iterator[tuple[str, int, str, str]]:
    """Kind, number, outcome and error of every attack, kinds in turn, while there is time."""
    begin, child = time.perf_counter(), Child(seed)
    try:
        for number in range(inputs):
            if time.perf_counter() - begin > seconds:
                return
            kind = list(KINDS)[number % len(KINDS)]
            yield kind, number, *child.ask(kind, number)
    finally:
        child.stop()


def into_table(found: list[tuple[str, int, str, str]]) -> pd.DataFrame:
    """Counts by kind, and of all."""
    rows = pd.DataFrame(found, columns=["kind", "number", "outcome", "error"])
    counts = pd.crosstab(rows["kind"], rows["outcome"]).reindex(columns=OUTCOMES, fill_value=0)
    counts = counts.reindex([kind for kind in KINDS if kind in counts.index])
    counts.loc["all"] = counts.sum()
    counts.insert(0, "inputs", counts.sum(axis=1))
    return counts.rename_axis(None, axis=1).reset_index()


def main(
    inputs: Annotated[int, typer.Option(min=1, help="Damaged files, all kinds together.")] = 4000,
    seconds: Annotated[float, typer.Option(min=1, help="Stop after this time.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the damage.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of inputs.csv and its record.")] = OUT,
) -> None:
    """Damage files and read them; write how each kind came out, tell what is not ours."""
    begin, found = time.perf_counter(), []
    for row in run(inputs, seconds, seed):
        found.append(row)
        if row[2] not in ("ok", "refused"):
            typer.echo(" ".join(map(str, row)), err=True)
    table = into_table(found)
    settings = {"inputs": inputs, "seconds": seconds, "seed": seed}
    record = run_record(settings, seconds=time.perf_counter() - begin)
    save_tables(Inputs(table), out, record)
    typer.echo(table.to_string(index=False))
    bad = int(table[["foreign", "hang", "abort"]].iloc[-1].sum())
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    typer.run(main)
