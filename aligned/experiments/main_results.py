"""The main comparison (C2-C4): the method and every rival on the same folds, seeds and metrics.

Each held-out fold of each split and seed is one job: the method and all rivals are fitted once per
objective that thresholds and settings are tuned for. What is kept are confusion counts per
held-out condition; the tables are made from these in `aligned.experiments.main_tables`.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from joblib import delayed
from tqdm import tqdm

from aligned.abduction import Aligned
from aligned.abduction.problem import Problem
from aligned.abduction.schedule import parse_schedule
from aligned.baselines import RIVALS, else_direct_edges
from aligned.config import CHOICES, Config
from aligned.datasets import Bundle, folds
from aligned.datasets.controls import genomic_order
from aligned.datasets.rows import Rows
from aligned.datasets.splits import SPLIT_KINDS
from aligned.experiments.fits import first_perturbed, fold_data, memory_used, one_thread_each
from aligned.experiments.iterations import card_table, subsets
from aligned.experiments.main_ceiling import Repeats, ceiling_table
from aligned.experiments.main_tables import (
    CLEANED,
    ELSE_NETWORK,
    INTEGRATED,
    NETWORK,
    NEURAL,
    PERFECT,
    Pool,
    difference_table,
    method_table,
    per_seed_table,
    score_all,
    score_table,
)
from aligned.knowledge import KnowledgeBase
from aligned.metrics import confusion, discrimination
from aligned.processes import workers

__all__ = ["MainSettings", "MainTables", "held_out_rows", "run_main", "seen_in_training"]

Int8 = npt.NDArray[np.int8]
Key = tuple[str, str]  # objective, method


@dataclass(frozen=True)
class MainSettings:
    """What to run; the first split is the headline, ``rivals`` empty means all of them.

    The split ``condition`` is left out where no perturbation was measured in two conditions.

    Raises
    ------
    ValueError
        No split, seed or objective; an unknown one; or a rival that does not exist.
    """

    config: Config = field(default_factory=Config)
    splits: tuple[str, ...] = ("control_safe", "perturbation", "condition")
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    n_folds: int = 5
    objectives: tuple[str, ...] = ("f_d", "balance")
    schedule: str = "A"
    rivals: tuple[str, ...] = ()
    n_boot: int = 1000
    n_jobs: int = 2

    def __post_init__(self) -> None:
        if not (self.splits and self.seeds and self.objectives):
            raise ValueError("give at least one split, one seed and one objective.")
        for what, given, known in (
            ("split", self.splits, SPLIT_KINDS),
            ("objective", self.objectives, tuple(CHOICES["objective"])),
            ("rival", self.rivals, tuple(RIVALS)),
        ):
            for name in given:
                if name not in known:
                    listed = ", ".join(map(repr, known))
                    raise ValueError(f"there is no {what} {name!r}; use some of {listed}.")
        phases = parse_schedule(self.schedule)
        if phases is not None and "A" not in phases:
            raise ValueError(
                f"the schedule {self.schedule!r} aligns nothing, so there is no integrated "
                "prediction to compare; give one with an A, such as 'A'."
            )

    @property
    def chosen(self) -> tuple[str, ...]:
        """The rivals to run, in the order of `aligned.baselines.RIVALS`."""
        return tuple(name for name in RIVALS if not self.rivals or name in self.rivals)

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values, for a run record."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class MainTables:
    """Tidy tables of the comparison; intervals are 95% bootstrap over perturbations and seeds.

    Attributes
    ----------
    card : DataFrame
        The data set in the fewest rows: ``item, value``.
    methods : DataFrame
        ``method, kind, description``; kind is ours, trivial, rival,
        leakage, or bound (it sees the answers).
    scores : DataFrame
        split × objective × method × subset: all metrics of
        `aligned.experiments.main_tables.MEASURES` with intervals, whether the prediction copies
        the yardstick (share of fits), and the number of conditions and seeds.
    per_seed : DataFrame
        The same per seed, on all conditions, without intervals.
    differences : DataFrame
        Every variant of ours minus every rival, paired: ``difference, low, high`` per metric;
        ``best`` marks the rival with the highest score in that metric, ``best_open`` the highest
        among those that do not copy the yardstick.
    ceiling : DataFrame
        ``split, subset, metric, value, low, high``: what a repeat of the same experiment scores;
        empty where the data set has no second measurement.
    """

    card: pd.DataFrame
    methods: pd.DataFrame
    scores: pd.DataFrame
    per_seed: pd.DataFrame
    differences: pd.DataFrame
    ceiling: pd.DataFrame


@dataclass(frozen=True)
class _Job:
    split: str
    seed: int
    fold: str
    labels: pd.Series


@dataclass(frozen=True)
class _Fold:
    """What one job leaves behind: per (objective, method) and held-out row."""

    job: _Job
    rows: list[str]
    data: dict[Key, npt.NDArray[np.int64]]
    knowledge: dict[Key, npt.NDArray[np.int64]]
    told_apart: dict[Key, npt.NDArray[np.float64]]
    copies: dict[Key, bool]
    memory_mb: tuple[int, float]


def run_main(
    bundle: Bundle,
    settings: MainSettings,
    repeats: Repeats | None = None,
    progress: bool = True,
    memory: dict[int, float] | None = None,
) -> MainTables:
    """Fit the method and its rivals on every fold and seed, and compare; see `MainTables`.

    Parameters
    ----------
    bundle : Bundle
        Data, network and yardstick.
    settings : MainSettings
    repeats : Repeats, optional
        Second runs of the study, for the noise ceiling.
    progress : bool
        Show a bar on stderr.
    memory : dict, optional
        Receives the peak memory (MB) of every process that ran fits, by process id.
    """
    jobs = list(_jobs(bundle, settings))
    work = workers(settings.n_jobs, return_as="generator")(
        delayed(_fit_fold)(bundle.data, bundle.kb, dict(bundle.yardstick), settings, job)
        for job in jobs
    )
    done = list(tqdm(work, total=len(jobs), desc="folds", disable=None if progress else True))
    if memory is not None:
        memory.update(d.memory_mb for d in done)
    rows = Rows.of(bundle.data, bundle.kb)
    perturbed = first_perturbed(rows, bundle.kb)
    pools = [_pool(split, done, rows, settings) for split in dict.fromkeys(j.split for j in jobs)]
    apart, drawn = subsets(bundle, rows), (settings.n_boot, settings.config.gamma)
    scored = score_all(pools, perturbed, apart, *drawn)
    return MainTables(
        card=card_table(bundle),
        methods=method_table(settings.chosen),
        scores=score_table(scored, pools),
        per_seed=per_seed_table(scored, settings.seeds),
        differences=difference_table(scored, pools),
        ceiling=ceiling_table(bundle, pools, perturbed, apart, repeats, *drawn),
    )


def seen_in_training(train: Rows, test: Rows) -> npt.NDArray[np.bool_]:
    """Which test conditions have a perturbation that occurs in training, sign and all; (b,)."""
    known = {_input(train, i) for i in range(len(train))}
    return np.array([_input(test, i) in known for i in range(len(test))], dtype=bool)


def _input(rows: Rows, i: int) -> tuple[bytes, bytes]:
    row = rows.x[[i]]
    order = np.argsort(row.indices)
    return row.indices[order].tobytes(), row.data[order].tobytes()


def _jobs(bundle: Bundle, settings: MainSettings) -> Iterator[_Job]:
    rows = Rows.of(bundle.data, bundle.kb)
    repeated = len({_input(rows, i) for i in range(len(rows))}) < len(rows)
    for split in settings.splits:
        if split == "condition" and not repeated:
            continue
        for seed in settings.seeds:
            table = folds(bundle.data, split, settings.n_folds, seed)
            for fold in table.columns:
                yield _Job(split, seed, str(fold), table[fold])


def _fit_fold(
    data: AnnData,
    kb: KnowledgeBase,
    yardstick: dict[str, Any],
    settings: MainSettings,
    job: _Job,
) -> _Fold:
    """Fit everything on one fold; inner folds ask the question that the outer ones ask."""
    here = fold_data(data, job.labels, job.split)
    calls: dict[Key, Int8] = {}
    copies: dict[Key, bool] = {}
    order = genomic_order(data) if "start" in data.var else None
    with one_thread_each(settings.n_jobs):
        for objective in settings.objectives:
            config = settings.config.replace(seed=job.seed, objective=objective)
            problem, ours = _ours(here, kb, yardstick, config, settings.schedule)
            calls |= {(objective, name): called for name, called in ours.items()}
            for name in settings.chosen:
                rival = RIVALS[name](kb, problem.measured, yardstick, config, genome=order)
                calls[objective, name] = rival.fit(problem.train).predict(problem.test)
                copies[objective, name] = bool(rival.copies_yardstick)
    scored = held_out_rows(problem, job.split)
    test = problem.test.take(scored)
    delta = problem.yardstick_of(test)
    inputs = [_input(test, i) for i in range(len(test))]
    alike = np.array([[a == b for b in inputs] for a in inputs], dtype=bool)
    alike = alike.reshape(len(test), len(test))
    kept = {key: called[scored] for key, called in calls.items()}
    return _Fold(
        job,
        list(map(str, test.names)),
        {key: confusion(test.y, called, test.counted) for key, called in kept.items()},
        {key: confusion(delta, called, test.counted) for key, called in kept.items()},
        {key: discrimination(called, test.y, test.counted, alike) for key, called in kept.items()},
        copies,
        memory_used(),
    )


def held_out_rows(problem: Problem, split: str) -> npt.NDArray[np.intp]:
    """Test rows that are scored: all, or (split ``condition``) those with a known perturbation."""
    if split == "condition":
        return np.flatnonzero(seen_in_training(problem.train, problem.test))
    return np.arange(len(problem.test))


def _ours(
    here: AnnData,
    kb: KnowledgeBase,
    yardstick: dict[str, Any],
    config: Config,
    schedule: str,
) -> tuple[Problem, dict[str, Int8]]:
    """The problem, and our predictions of its test rows by name."""
    with tempfile.TemporaryDirectory() as folder:
        alone = Aligned(config).fit(here, kb, "network", yardstick=yardstick, checkpoint=folder)
        problem = alone.problem
        columns = kb.columns(problem.measured)
        called = {NETWORK: alone.phases[-1].predictions["neural"]}
        partner = alone.predict(problem.test.x).neural  # its threshold: as partner of symbols
        called[ELSE_NETWORK] = else_direct_edges(partner, problem.test, kb, columns)
        model = Aligned(config).fit(
            here, kb, schedule, yardstick=yardstick, checkpoint=folder, resume=True
        )
    final = model.phases[-1].predictions
    called |= {NEURAL: final["neural"], INTEGRATED: final["integrated"]}
    return problem, called | _bounds(model)


def _bounds(model: Aligned) -> dict[str, Int8]:
    """What sees the answers: deductions where they are right, and the right choice everywhere."""
    test = model.problem.test
    delta, said = model.problem.yardstick_of(test), model.predict(test.x)
    choose = (said.symbolic == test.y) & (said.symbolic != 0)
    return {
        CLEANED: np.where(delta == test.y, delta, 0).astype(np.int8),
        PERFECT: np.where(choose, said.symbolic, said.neural).astype(np.int8),
    }


def _pool(split: str, done: list[_Fold], rows: Rows, settings: MainSettings) -> Pool:
    """All counts of one split, (seeds, rows of the data, 3, 3); nothing where a row is unscored."""
    mine = [d for d in done if d.job.split == split]
    position = {name: i for i, name in enumerate(rows.names)}
    keys, n_seeds, b = list(mine[0].data), len(settings.seeds), len(rows)
    pool = Pool(
        split,
        {key: np.zeros((n_seeds, b, 3, 3), np.int64) for key in keys},
        {key: np.zeros((n_seeds, b, 3, 3), np.int64) for key in keys},
        {key: np.full((n_seeds, b), np.nan) for key in keys},
        {
            key: float(np.mean([d.copies[key] for d in mine])) if key in mine[0].copies else 0.0
            for key in keys
        },
    )
    for d in mine:
        seed = settings.seeds.index(d.job.seed)
        where = np.array([position[name] for name in d.rows], dtype=np.intp)
        for key in keys:
            pool.data[key][seed, where] = d.data[key]
            pool.knowledge[key][seed, where] = d.knowledge[key]
            pool.told_apart[key][seed, where] = d.told_apart[key]
    return pool
