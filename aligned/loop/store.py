"""Models and checkpoints on disk: JSON, CSV and safetensors in a folder, written all or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from aligned.config import Config
from aligned.data.rows import Rows
from aligned.files import is_empty, new_folder, recover
from aligned.knowledge import KnowledgeBase, Rule
from aligned.loop.problem import Problem
from aligned.loop.records import Phase, Yardsticks
from aligned.loop.training import Ensemble
from aligned.neural import pick_device
from aligned.records import check_replaceable, read_record, write_record

if TYPE_CHECKING:
    from aligned.loop.model import Aligned

__all__ = ["fingerprint", "load", "restore", "save"]

#: 2: the description holds the checksums of the files beside it, and its own.
FORMAT = 2
FILES = (
    "arrays.safetensors",
    "closures.csv",
    "edges.csv",
    "edges_original.csv",
    "edits.csv",
    "history.csv",
    "networks.safetensors",
)


def save(model: Aligned, folder: Path) -> Path:
    """Write a fitted model; see `Aligned.save`."""
    folder = folder.absolute()
    recover(folder)
    if folder.exists() and not (folder / "model.json").is_file() and not is_empty(folder):
        raise FileExistsError(
            f"{folder} exists and holds no model; name another folder, or empty it first."
        )
    check_replaceable(folder, "model.json", FILES)
    with new_folder(folder) as part:
        _write(model, part)
    return folder


def _write(model: Aligned, folder: Path) -> None:
    ensemble, problem = model.ensemble, model.problem
    meta = {
        "format": FORMAT,
        "config": model.config.to_dict(),
        "closing": asdict(problem.closing),
        "yardstick": asdict(model.yardsticks.closing),
        "tau": ensemble.tau,
        "tau_single": ensemble.tau_single,
        "error_rate": ensemble.error_rate,
        "done": model.done,
        "notes": model.notes,
        "stages": [[p.stage, p.n_edits] for p in model.phases],
        "genes": list(problem.genes),
        "measured": list(problem.measured),
        "regulators": {
            "original": _regulators(model.yardsticks.original),
            "current": _regulators(model.kb),
        },
        "names": model.kb.names,
        "fingerprint": fingerprint(problem, model.yardsticks),
    }
    model.yardsticks.original.to_edges().to_csv(folder / "edges_original.csv", index=False)
    model.kb.to_edges().to_csv(folder / "edges.csv", index=False)
    model.edits.to_csv(folder / "edits.csv", index=False)
    model.history.to_csv(folder / "history.csv", index=False)
    problem.tried.to_csv(folder / "closures.csv", index=False)
    state = {
        f"{j}.{name}": value.detach().cpu().contiguous()
        for j, each in enumerate(ensemble.models)
        for name, value in each.state_dict().items()
    }
    save_file(state, folder / "networks.safetensors")
    arrays: dict[str, Any] = {"w": problem.w}
    for phase in model.phases:
        for score, prediction in phase.predictions.items():
            arrays[f"prediction|{phase.stage}|{score}"] = prediction
        for (score, yardstick), counts in phase.confusions.items():
            arrays[f"confusion|{phase.stage}|{score}|{yardstick}"] = counts
    save_arrays(
        {k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / "arrays.safetensors"
    )
    write_record(meta, folder / "model.json", [folder / name for name in FILES])


def _regulators(kb: KnowledgeBase) -> list[str]:
    return list(kb.regulators)


def fingerprint(problem: Problem, yardsticks: Yardsticks) -> str:
    """Hash of what was fitted on and scored against: conditions, weights, networks, closures."""
    digest = hashlib.sha256()
    arrays: list[Any] = [problem.w, problem.unlabelled.indices, problem.unlabelled.data]
    words = [repr(problem.closing), repr(problem.yardstick), *problem.genes, *problem.measured]
    for rows in (problem.train, problem.test):
        arrays += [rows.x.toarray(), rows.y, rows.observed]
        words += [*map(str, rows.names), *map(str, rows.groups)]
    for kb in (yardsticks.original, yardsticks.complete):
        if kb is not None:
            words += kb.regulators
            edges = kb.to_edges()[["source", "target", "sign"]]
            words += ["|".join(map(str, edge)) for edge in edges.itertuples(index=False)]
        words.append("")
    for part in arrays:
        digest.update(np.ascontiguousarray(part).tobytes())
    digest.update("\n".join(words).encode())
    return digest.hexdigest()


def _meta(folder: Path) -> dict[str, Any]:
    """Description of the model in a folder, every file of which is the one that was saved."""
    recover(folder)
    path = folder / "model.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no model (no model.json); give the folder that `save`, a checkpoint "
            "or `aligned fit --out` wrote."
        )
    meta = read_record(path, "fit the model again, or copy its folder anew")
    if meta.get("format") != FORMAT:
        found = meta.get("format")
        which = "an older" if isinstance(found, int) and found < FORMAT else "another"
        raise ValueError(
            f"{folder} was saved by {which} version (format {found}, this version reads {FORMAT}); "
            "fit the model again."
        )
    if not set(FILES) <= set(meta.get("files", ())):
        raise ValueError(f"{path} is damaged, it names no checksums; fit the model again.")
    return meta


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Say in one sentence where files are as they were saved, but mean nothing to this version."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"{folder} cannot be read as a model by this version ({type(error).__name__}: "
            f"{' '.join(str(error).split())}); fit the model again."
        ) from error


def _read_kb(folder: Path, meta: dict[str, Any], file: str, which: str) -> KnowledgeBase:
    text = dict.fromkeys(("source", "target", "evidence"), str)
    edges = pd.read_csv(folder / file, keep_default_na=False, dtype=text)
    return KnowledgeBase.from_edges(
        edges, meta["genes"], names=meta["names"], regulators=meta["regulators"][which]
    )


def restore(model: Aligned, folder: Path) -> None:
    """Bring a model that was started on the same data to the state of a checkpoint."""
    meta = _meta(folder)
    if meta["config"] != model.config.to_dict():
        ours = model.config.to_dict()
        key = next(k for k in ours if meta["config"].get(k) != ours[k])
        raise ValueError(
            f"the checkpoint {folder} was written with {key}={meta['config'].get(key)!r}, this run "
            f"has {ours[key]!r}; use the same settings, or another checkpoint folder."
        )
    if meta["fingerprint"] != fingerprint(model.problem, model.yardsticks):
        raise ValueError(
            f"the checkpoint {folder} was written for other data, another network or another "
            "yardstick; use another checkpoint folder."
        )
    with _reading(folder):
        _fill(model, folder, meta)


def load(cls: type[Aligned], folder: Path) -> Aligned:
    """Read a model for prediction; see `Aligned.load`."""
    meta = _meta(folder)
    with _reading(folder):
        return _model(cls, folder, meta)


def _model(cls: type[Aligned], folder: Path, meta: dict[str, Any]) -> Aligned:
    model = cls(Config(**meta["config"]))
    original = _read_kb(folder, meta, "edges_original.csv", "original")
    n, m = len(meta["genes"]), len(meta["measured"])
    empty = Rows.empty(n, m)
    model.problem = Problem(
        tuple(meta["genes"]),
        tuple(meta["measured"]),
        empty,
        empty,
        sp.csr_array((0, n), dtype=np.int8),
        Rule(**meta["closing"]),
        pd.read_csv(folder / "closures.csv", float_precision="round_trip"),
        load_arrays(folder / "arrays.safetensors")["w"],
        original,
        Rule(**meta["yardstick"]),
    )
    model.yardsticks = Yardsticks(model.problem.yardstick, original)
    model.ensemble = Ensemble(
        model.problem,
        original,
        model.config,
        pick_device("auto" if model.config.device == "cuda" else model.config.device),
    )
    _fill(model, folder, meta)
    return model


def _fill(model: Aligned, folder: Path, meta: dict[str, Any]) -> None:
    model.kb = _read_kb(folder, meta, "edges.csv", "current")
    model.done, model.notes = meta["done"], meta["notes"]
    text = dict.fromkeys(("stage", "source", "target", "before", "after", "evidence"), str)
    model.edits = pd.read_csv(
        folder / "edits.csv", keep_default_na=False, dtype=text, float_precision="round_trip"
    )
    model.ensemble.tau, model.ensemble.tau_single = meta["tau"], meta["tau_single"]
    model.ensemble.error_rate = meta["error_rate"]
    state = load_file(folder / "networks.safetensors", device=str(model.ensemble.device))
    for j, each in enumerate(model.ensemble.models):
        prefix = f"{j}."
        each.load_state_dict(
            {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
        )
    arrays = load_arrays(folder / "arrays.safetensors")
    history = pd.read_csv(folder / "history.csv", float_precision="round_trip")
    model.phases = []
    for stage, n_edits in meta["stages"]:
        keys = [k.split("|") for k in arrays]
        predictions = {k[2]: arrays["|".join(k)] for k in keys if k[:2] == ["prediction", stage]}
        counts = {(k[2], k[3]): arrays["|".join(k)] for k in keys if k[:2] == ["confusion", stage]}
        table = history[history["stage"] == stage].reset_index(drop=True)
        model.phases.append(Phase(stage, predictions, n_edits, counts, table))
