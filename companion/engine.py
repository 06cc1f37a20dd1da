"""One engine for every analysis: arms × splits × seeds × folds → confusion counts → scores.

An *arm* is a function of a fold: it fits something on the training conditions and returns what it
calls on the held-out ones. What is kept are counts, nine per held-out condition, stage, score and
yardstick; every score, interval and paired difference of a page is computed from them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from aligned.data import Bundle, Rows, folds, linked_conditions, with_split
from aligned.files import new_folder
from aligned.knowledge import KnowledgeBase, Rule
from aligned.loop import Yardsticks
from aligned.records import data_sha256, network_sha256
from aligned.scores import confusion, discrimination
from companion.parallel import side_by_side
from companion.sources import fingerprint

__all__ = [
    "COUNTS",
    "DATA",
    "KEYS",
    "Arm",
    "Fold",
    "Outcome",
    "Plan",
    "Results",
    "Settings",
    "conditions",
    "counted",
    "first_perturbed",
    "run",
    "seen_in_training",
]

Int8 = npt.NDArray[np.int8]
Counts = npt.NDArray[np.int64]
Key = tuple[str, str, str, str, str]

#: The nine counts, truth first: ``n02`` is measured down, called up.
COUNTS = [f"n{truth}{call}" for truth in range(3) for call in range(3)]
#: What a row of counts is about.
KEYS = ["arm", "stage", "score", "objective", "yardstick", "split", "seed", "fold", "condition"]
#: The yardstick that is no network: the measured responses.
DATA = "data"


class Settings:
    """What the settings of every analysis have in common."""

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values, for a run record."""
        return dataclasses.asdict(cast(Any, self))


@dataclass(frozen=True)
class Plan:
    """What to run the arms on; the first split is the headline."""

    splits: tuple[str, ...] = ("control_safe", "perturbation")
    seeds: tuple[int, ...] = (0, 1, 2)
    n_folds: int = 5
    n_jobs: int = 2

    def __post_init__(self) -> None:
        if not self.splits or not self.seeds:
            raise ValueError("give at least one split and one seed.")


@dataclass(frozen=True)
class Fold:
    """One fold of one split and seed: the data with its labels, the network, the yardstick."""

    whole: AnnData
    labels: pd.Series
    kb: KnowledgeBase
    yardstick: Mapping[str, Any]
    split: str
    seed: int

    @property
    def name(self) -> str:
        """Number of the fold."""
        return str(self.labels.name)

    @cached_property
    def data(self) -> AnnData:
        """The data with the fold's labels; inner folds keep apart what the outer ones do.

        New controls (``control_safe``), new conditions (``condition``), else new perturbations.
        """
        data = with_split(self.whole, self.labels)
        if self.split == "control_safe":
            data.obs["group"] = linked_conditions(data).astype(str)
        elif self.split == "condition":
            data.obs["group"] = data.obs_names.astype(str)
        return data

    @property
    def measured(self) -> tuple[str, ...]:
        """The measured genes, columns of every prediction."""
        return tuple(map(str, self.whole.var_names))

    @property
    def closing(self) -> Rule:
        """The yardstick's closure."""
        return Rule(**self.yardstick)

    @cached_property
    def rows(self) -> Rows:
        """All conditions."""
        return Rows.of(self.data, self.kb)

    @cached_property
    def train(self) -> Rows:
        """The training conditions."""
        return self._part("train")

    @cached_property
    def test(self) -> Rows:
        """The held-out conditions that are scored.

        On the split ``condition`` only those whose perturbation was seen in training.
        """
        return self._part("test").take(self.scored)

    @cached_property
    def scored(self) -> npt.NDArray[np.intp]:
        """Places of `test` among the conditions with that label."""
        test = self._part("test")
        if self.split != "condition":
            return np.arange(len(test))
        return np.flatnonzero(seen_in_training(self.train, test))

    def _part(self, part: str) -> Rows:
        chosen = self.data.obs["split"].astype(str).to_numpy() == part
        return self.rows.take(np.flatnonzero(chosen))


@dataclass
class Outcome:
    """What an arm leaves behind for one fold: counts of the test conditions, and what else it says.

    All its predictions are held against the same ``yardsticks``. ``fits`` are rows of a table
    (edits made, copies of the yardstick, …), ``more`` other tables.
    """

    fold: Fold
    yardsticks: Yardsticks
    counts: dict[Key, Counts] = field(default_factory=dict)
    told_apart: dict[Key, npt.NDArray[np.float64]] = field(default_factory=dict)
    fits: list[dict[str, Any]] = field(default_factory=list)
    more: dict[str, pd.DataFrame] = field(default_factory=dict)

    def add(
        self,
        arm: str,
        called: Int8,
        stage: str = "",
        score: str = "prediction",
        objective: str = "",
    ) -> None:
        """Count a prediction of ``fold.test`` (b, m) against the data and every yardstick."""
        test, key = self.fold.test, (arm, stage, score, objective)
        self.counts[*key, DATA] = confusion(test.y, called, test.counted)
        self.told_apart[*key, DATA] = discrimination(called, test.y, test.counted, self._alike)
        for name, (delta, cells) in self.deductions.items():
            self.counts[*key, name] = confusion(delta, called, cells)

    @cached_property
    def _alike(self) -> npt.NDArray[np.bool_]:
        inputs = [_input(self.fold.test, i) for i in range(len(self.fold.test))]
        alike = np.array([[a == b for b in inputs] for a in inputs], dtype=bool)
        return alike.reshape(len(inputs), len(inputs))

    @cached_property
    def deductions(self) -> dict[str, tuple[Int8, npt.NDArray[np.bool_]]]:
        """Yardstick -> (deduction, cells to score); *refined* is none: a rival refines nothing."""
        return self.yardsticks.deductions(self.fold.test, None, self.fold.measured)


class Arm(Protocol):
    """Something to be compared: a function of a fold."""

    def __call__(self, fold: Fold) -> Outcome:
        """Fit on the fold's training conditions, and count on its test conditions."""
        ...


@dataclass
class Results:
    """Everything a run leaves behind, as tables; the counts are what scores are computed from.

    Attributes
    ----------
    counts : DataFrame
        One row per `KEYS`: ``group`` (conditions that are drawn together), `COUNTS`, and in rows
        against data ``told_apart``, perturbation discrimination.
    conditions : DataFrame
        ``condition``, and one Boolean column per subset that is scored apart.
    fits : DataFrame
        Per fit and stage what no condition has: ``n_edits``, ``copies``, ``seconds``.
    more : dict of str to DataFrame
        Tables of single arms, with the fit they are of.
    """

    counts: pd.DataFrame
    conditions: pd.DataFrame
    fits: pd.DataFrame
    more: dict[str, pd.DataFrame]

    def frames(self) -> dict[str, pd.DataFrame]:
        """All tables by name, as they are written."""
        first = {"counts": self.counts, "conditions": self.conditions, "fits": self.fits}
        return first | self.more


def run(
    bundle: Bundle,
    arms: Sequence[Arm],
    plan: Plan,
    cache: str | Path | None = None,
    progress: bool = True,
) -> Results:
    """Fit every arm on every fold of every split and seed.

    Parameters
    ----------
    bundle : Bundle
        Data, network and yardstick.
    arms : sequence of Arm
        Dataclasses, so that their ``repr`` says all that they depend on.
    plan : Plan
    cache : path, optional
        Folder of finished fits: one that is there, by the same code and of the same data, is not
        made again, whichever analysis made it. So a run that was stopped goes on.
    progress : bool
        Show a bar on stderr, with the time that remains.
    """
    store = _Cache(bundle, cache)
    jobs = [(arm, fold) for fold in _folds(bundle, plan) for arm in arms]
    keys = [store.key(arm, fold) for arm, fold in jobs]
    found = [store.read(key) for key in keys]
    left = [i for i, tables in enumerate(found) if tables is None]
    done = side_by_side(_one, [jobs[i] for i in left], plan.n_jobs, "fits", progress)
    for i, tables in zip(left, done, strict=True):
        found[i] = store.write(keys[i], tables)
    parts = [tables for tables in found if tables is not None]
    joined = {
        name: _joined([part[name] for part in parts if name in part])
        for name in dict.fromkeys(name for part in parts for name in part)
    }
    return Results(joined.pop("counts"), conditions(bundle), joined.pop("fits"), joined)


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables below each other; empty ones say nothing of what their columns hold."""
    return pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)


def counted(
    bundle: Bundle,
    calls: Mapping[tuple[str, str], Int8],
    split: str,
    kept: npt.ArrayLike | None = None,
) -> Results:
    """Counts of predictions that were made elsewhere, of all conditions of a data set.

    Parameters
    ----------
    bundle : Bundle
    calls : mapping
        (arm, objective) → calls, int8 of shape (b, m), or (seeds, b, m).
    split : str
        What the split they come from is called.
    kept : array of bool, shape (b,), optional
        Conditions to count; default all.
    """
    rows = Rows.of(bundle.data, bundle.kb)
    keep = np.flatnonzero(np.ones(len(rows), bool) if kept is None else np.asarray(kept))
    rows = rows.take(keep)
    genes = tuple(map(str, bundle.data.var_names))
    yardsticks = Yardsticks(Rule(**bundle.yardstick), bundle.kb)
    delta = yardsticks.deduce(bundle.kb, rows, genes)
    shared = {"split": split, "fold": "", "condition": rows.names.astype(str)}
    shared["group"] = first_perturbed(rows, bundle.kb)
    parts = []
    for (arm, objective), said in calls.items():
        for seed, called in enumerate(said if said.ndim == 3 else said[None]):
            for yardstick, truth in ((DATA, rows.y), ("original", delta)):
                counts = confusion(truth, called[keep], rows.counted).reshape(-1, 9)
                about: dict[str, Any] = {"arm": arm, "stage": "", "score": "prediction"}
                about |= {"objective": objective, "yardstick": yardstick, "seed": seed}
                about["told_apart"] = np.nan
                parts.append(pd.DataFrame(counts, columns=COUNTS).assign(**shared, **about))
    return Results(pd.concat(parts, ignore_index=True), conditions(bundle), pd.DataFrame(), {})


def conditions(bundle: Bundle) -> pd.DataFrame:
    """The conditions of a data set, and the subsets that are scored apart."""
    rows = Rows.of(bundle.data, bundle.kb)
    known = np.asarray(abs(rows.x)[:, bundle.kb.regulator_index].sum(axis=1)).ravel() > 0
    masks = {
        "all": np.ones(len(rows), bool),
        "with a regulator of the network": known,
        "without one": ~known,
    }
    if "expression_kind" in bundle.data.obs:
        masks["measured only"] = (bundle.data.obs["expression_kind"] == "log_tpm").to_numpy()
    table = pd.DataFrame({name: mask for name, mask in masks.items() if mask.any()})
    table.insert(0, "condition", list(map(str, rows.names)))
    return table


def seen_in_training(train: Rows, test: Rows) -> npt.NDArray[np.bool_]:
    """Which test conditions have a perturbation that occurs in training, sign and all; (b,)."""
    known = {_input(train, i) for i in range(len(train))}
    return np.array([_input(test, i) in known for i in range(len(test))], dtype=bool)


def _input(rows: Rows, i: int) -> tuple[bytes, bytes]:
    row = rows.x[[i]]
    order = np.argsort(row.indices)
    return row.indices[order].tobytes(), row.data[order].tobytes()


def _folds(bundle: Bundle, plan: Plan) -> Iterator[Fold]:
    rows = Rows.of(bundle.data, bundle.kb)
    repeated = len({_input(rows, i) for i in range(len(rows))}) < len(rows)
    for split in plan.splits:
        if split == "condition" and not repeated:
            continue
        for seed in plan.seeds:
            table = folds(bundle.data, split, plan.n_folds, seed)
            for name in table.columns:
                yield Fold(bundle.data, table[name], bundle.kb, bundle.yardstick, split, seed)


def _one(arm: Arm, fold: Fold) -> dict[str, pd.DataFrame]:
    """Run one arm on one fold."""
    start = time.perf_counter()
    outcome = arm(fold)
    job = {"split": fold.split, "seed": fold.seed, "fold": fold.name}
    seconds = round(time.perf_counter() - start, 3)
    fits = pd.DataFrame([{**job, **row, "seconds": seconds} for row in outcome.fits or [{}]])
    more = {name: table.assign(**job) for name, table in outcome.more.items()}
    return {"counts": _count_table(job, outcome), "fits": fits, **more}


def _count_table(job: Mapping[str, Any], outcome: Outcome) -> pd.DataFrame:
    names = outcome.fold.test.names.astype(str)
    groups = _drawn_together(outcome.fold)[names].to_numpy()
    parts = []
    for key, counts in outcome.counts.items():
        about = dict(zip(("arm", "stage", "score", "objective", "yardstick"), key, strict=True))
        part = pd.DataFrame(counts.reshape(len(counts), 9), columns=COUNTS, dtype=np.int32)
        told_apart = outcome.told_apart.get(key, np.nan)
        parts.append(
            part.assign(**job, **about, condition=names, group=groups, told_apart=told_apart)
        )
    return pd.concat(parts, ignore_index=True)[[*KEYS, "group", "told_apart", *COUNTS]]


def _drawn_together(fold: Fold) -> pd.Series:
    """Group of each condition that a bootstrap draws: what the split keeps together.

    Conditions linked by a control or a gene in ``control_safe``, else the first perturbed gene.
    """
    names = fold.data.obs_names.astype(str)
    if fold.split == "control_safe":
        return pd.Series(fold.data.obs["group"].to_numpy(), index=names)
    return pd.Series(first_perturbed(fold.rows, fold.kb), index=names)


def first_perturbed(rows: Rows, kb: KnowledgeBase) -> npt.NDArray[np.str_]:
    """First perturbed gene of each condition, shape (b,)."""
    return np.array([kb.genes[rows.x[[i]].indices.min()] for i in range(len(rows))])


class _Cache:
    """Finished fits on disk, one folder each, named by a hash of all that they depend on."""

    def __init__(self, bundle: Bundle, folder: str | Path | None) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None:
            code = fingerprint(["companion.arms"])
            about = [code, data_sha256(bundle.data), network_sha256(bundle.kb)]
            self.base = "\n".join([*about, repr(sorted(bundle.yardstick.items()))])

    def key(self, arm: Arm, fold: Fold) -> str:
        """The name of a fit."""
        if self.folder is None:
            return ""
        about = [self.base, repr(arm), fold.split, str(fold.seed), fold.labels.to_csv()]
        return hashlib.sha256("\n".join(about).encode()).hexdigest()[:24]

    def read(self, key: str) -> dict[str, pd.DataFrame] | None:
        """The tables of a finished fit, or None."""
        place = None if self.folder is None else self.folder / key
        if place is None or not place.is_dir():
            return None
        return {path.stem: pd.read_parquet(path) for path in sorted(place.glob("*.parquet"))}

    def write(self, key: str, tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """Keep the tables of a fit: the folder appears whole or not at all."""
        if self.folder is not None and not (self.folder / key).is_dir():
            with new_folder(self.folder / key) as part:
                for name, table in tables.items():
                    table.to_parquet(part / f"{name}.parquet", index=False)
        return tables
