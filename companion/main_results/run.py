"""The main comparison (C2-C4): the method and every rival on the same folds, seeds and metrics.

Each held-out fold of each split and seed is one job: the method and all rivals are fitted once per
objective that thresholds and settings are tuned for. What is kept are confusion counts per
held-out condition; the tables are made from these in `companion.main_results.tables`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from aligned.config import CHOICES, Config
from aligned.data import SPLIT_KINDS, Bundle
from companion.arms import Method, Rivals
from companion.engine import DATA, Arm, Plan, Results, Settings, run
from companion.loop.run import card_table
from companion.main_results.ceiling import Repeats, ceiling_table
from companion.main_results.tables import comparison, method_table
from companion.rivals import RIVALS

__all__ = ["MainSettings", "MainTables", "run_main"]


@dataclass(frozen=True)
class MainSettings(Settings):
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

    @property
    def chosen(self) -> tuple[str, ...]:
        """The rivals to run, in the order of `companion.rivals.RIVALS`."""
        return tuple(name for name in RIVALS if not self.rivals or name in self.rivals)


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
        `companion.main_results.tables.MEASURES` with intervals, whether the prediction copies
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

    @classmethod
    def of(cls, results: Results, n_boot: int = 1000, gamma: float = 2.0) -> MainTables:
        """Score what `run_main` counted."""
        kept = {name: results.more[name] for name in ("card", "methods", "ceiling")}
        return cls(**kept, **comparison(results, n_boot, gamma))


def run_main(
    bundle: Bundle,
    settings: MainSettings,
    repeats: Repeats | None = None,
    progress: bool = True,
    cache: str | Path | None = None,
) -> Results:
    """Fit the method and its rivals on every fold and seed; `MainTables.of` scores what comes back.

    Parameters
    ----------
    bundle : Bundle
        Data, network and yardstick.
    settings : MainSettings
    repeats : Repeats, optional
        Second runs of the study, for the noise ceiling.
    progress : bool
        Show a bar on stderr.
    cache : path, optional
        Folder of finished fits (`companion.engine.run`).
    """
    plan = Plan(settings.splits, settings.seeds, settings.n_folds, settings.n_jobs)
    arms: list[Arm] = []
    for objective in settings.objectives:
        config = settings.config.replace(objective=objective)
        loop = objective == Config().objective  # the very fits of notebook 03
        arms.append(Method(config) if loop else Method(config, "A", control=False))
        arms.append(Rivals(settings.chosen, config))
    results = run(bundle, arms, plan, cache, progress)
    results.more = {
        "card": card_table(bundle),
        "methods": method_table(settings.chosen),
        "ceiling": ceiling_table(bundle, results, repeats, settings.n_boot, settings.config.gamma),
    }
    keep = results.counts["stage"].isin(["", "network", "A"])
    keep &= results.counts["yardstick"].isin([DATA, "original"])
    results.counts = results.counts[keep].reset_index(drop=True)
    return results
