"""The noise experiment (the paper's Fig. 4): what refinement recovers of a corrupted network.

A network is taken as the truth, its responses to all single over-expressions are deduced, the
network is corrupted, and every method tries to come back. Seeds are replicates: a seed draws the
corruption and, for random networks, the network.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from aligned.data import load
from aligned.knowledge import KnowledgeBase
from aligned.refine import refine, single_overexpressions
from companion.noise.jobs import METHODS, JobTables, code_sha256, random_network, run_job
from companion.parallel import side_by_side
from companion.statistics import with_columns

__all__ = ["METRICS", "RANDOM", "NoiseSettings", "NoiseTables", "connected", "run_noise"]

#: Random networks, and the spread of their regulators' out-degrees (`random_network`).
RANDOM = {"random": 0.0, "random, with hubs": 1.75}

#: What is scored, and what each score is.
METRICS = {
    "network_f1": "macro-F1 of the edges",
    "closure_f1": "macro-F1 of the closure",
    "precision": "edge precision",
    "recall": "edge recall",
    "sign_accuracy": "sign accuracy",
    "shd": "structural Hamming distance",
    "auprc": "AUPRC of the weights",
    "repaired": "corrupted pairs repaired",
    "harmed": "intact edges harmed",
    "invented": "edges invented",
    "n_edits": "edits",
}
#: Metrics without an upper end; the others are at most 1, and so are their intervals.
UNBOUNDED = ("shd", "n_edits", "invented")
#: Methods that every other is compared with, pair by pair.
AGAINST = ("noisy", "identifiable")
#: Responses that must leave a network alone.
HARMLESS = ("exact", "shuffled", "random")
#: Order of columns that say which run a row belongs to.
RUN = ["network", "k", "noise", "seed"]


@dataclass(frozen=True)
class NoiseSettings:
    """What to run. The defaults are the demo: a minute on two cores. See `full` for all of it.

    Attributes
    ----------
    network : str
        A key of `RANDOM`, or what `aligned.load` takes: that edition's network is the truth,
        without the genes that have no edge.
    n_genes, n_regulators, n_edges : int
        Size of random networks.
    levels : tuple of float
        Shares of corrupted pairs.
    ks : tuple of int
        Longest paths; ``boolean`` closure.
    seeds : tuple of int
    methods : tuple of str
        Keys of `METHODS`.
    orders : int
        Random orders of the identifiability reference; scores are their mean.
    n_rewired : int
        Rewirings of the true network that the topology is held against (at the longest k); 0
        leaves topology out.
    thin_k, thin_noise : int, float
        Closure and corruption when evidence is thin.
    perturbed : tuple of float
        Shares of the regulators that are perturbed, one response each, without error.
    errors : tuple of float
        Shares of wrong responses; all regulators are perturbed, ``replicates`` times each, with
        errors drawn anew.
    published_iterations : int
        Steps of the published rule (published: 5,000).
    n_jobs : int
        Processes, one thread each. Results do not depend on it.
    """

    network: str = "random"
    n_genes: int = 200
    n_regulators: int = 30
    n_edges: int = 500
    levels: tuple[float, ...] = (0.0, 0.2, 0.4, 0.7)
    ks: tuple[int, ...] = (2, 5)
    seeds: tuple[int, ...] = (0, 1, 2)
    methods: tuple[str, ...] = tuple(METHODS)
    orders: int = 3
    n_rewired: int = 20
    thin_k: int = 2
    thin_noise: float = 0.4
    perturbed: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 1.0)
    errors: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2)
    replicates: int = 3
    published_iterations: int = 100
    n_jobs: int = 2

    @classmethod
    def full(cls, network: str = "random", **changes: Any) -> NoiseSettings:
        """All noise levels, five seeds, k = 2, 3, 5; random networks of 400 genes.

        Examples
        --------
        >>> NoiseSettings.full(n_jobs=1).levels[-1]
        0.9
        """
        return dataclasses.replace(
            cls(
                network=network,
                n_genes=400,
                n_regulators=60,
                n_edges=1000,
                levels=(0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9),
                ks=(2, 3, 5),
                seeds=(0, 1, 2, 3, 4),
                orders=5 if network in RANDOM else 3,
                published_iterations=300,
            ),
            **changes,
        )

    def __post_init__(self) -> None:
        for name in ("levels", "ks", "seeds", "methods"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if not getattr(self, name):
                raise ValueError(f"{name} is empty; give at least one.")
        for name in ("perturbed", "errors"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        unknown = [m for m in self.methods if m not in METHODS]
        if unknown:
            raise ValueError(f"method {unknown[0]!r} is unknown; choose among {list(METHODS)}.")
        limits: list[tuple[str, Sequence[float], float, float]] = [
            ("levels", self.levels, 0, 1),
            ("thin_noise", (self.thin_noise,), 0, 1),
            ("perturbed", self.perturbed, 1e-9, 1),
            ("errors", self.errors, 0, 0.6),
        ]
        for name, values, low, high in limits:
            wrong = [v for v in values if not low <= v <= high]
            if wrong:
                raise ValueError(f"{name} holds {wrong[0]}; give shares from {low:g} to {high:g}.")
        counts: list[tuple[str, Sequence[int], int]] = [
            ("ks", self.ks, 1),
            ("orders", (self.orders,), 1),
            ("n_rewired", (self.n_rewired,), 0),
            ("thin_k", (self.thin_k,), 1),
            ("replicates", (self.replicates,), 1),
            ("published_iterations", (self.published_iterations,), 1),
        ]
        for name, numbers, least in counts:
            bad = [v for v in numbers if isinstance(v, bool) or v != int(v) or v < least]
            if bad:
                raise ValueError(f"{name} holds {bad[0]!r}; give whole numbers >= {least}.")
        if self.n_rewired == 1:
            raise ValueError("n_rewired is 1; one rewiring has no spread: give 0 or at least 2.")

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values, for a run record."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class NoiseTables:
    """Tidy tables of the noise experiment; `save_tables` writes them.

    Attributes
    ----------
    scores : DataFrame
        network × k × noise × seed × method: `METRICS` and ``seconds``.
    summary : DataFrame
        The same × metric: mean over seeds with 95% interval (t), ``n_seeds``, and the paired
        difference to the noisy network and to the identifiability reference, with intervals.
    topology : DataFrame
        network × k × noise × seed × state (``original``, ``noisy``, ``refined``) × measure:
        ``value``, the rewirings' mean and 95% range, ``z`` against them, ``change`` from the
        original. ``k`` and ``noise`` are 0 for the original.
    thin, thin_summary : DataFrame
        As ``scores`` and ``summary``, × curve (``perturbed``, ``errors``) × level.
    harmless : DataFrame
        Edits made where responses are exact and the network true (``exact``), or where they say
        nothing about it (``shuffled``, ``random``): should be 0.
    example : DataFrame
        One repaired pair: a row per response cell that only this edit explains.
    """

    scores: pd.DataFrame
    summary: pd.DataFrame
    topology: pd.DataFrame
    thin: pd.DataFrame
    thin_summary: pd.DataFrame
    harmless: pd.DataFrame
    example: pd.DataFrame


def run_noise(
    settings: NoiseSettings,
    truth: KnowledgeBase | None = None,
    cache: str | Path | None = None,
    progress: bool = True,
) -> NoiseTables:
    """Run the noise experiment; see `NoiseTables` for what comes back.

    Parameters
    ----------
    settings : NoiseSettings
    truth : KnowledgeBase, optional
        The true network; default: what ``settings.network`` names.
    cache : path, optional
        Folder for finished jobs: an interrupted run goes on where it was, unless the code changed.
    progress : bool
        Show a bar on stderr.

    Examples
    --------
    >>> tiny = NoiseSettings(n_genes=30, n_regulators=6, n_edges=40, levels=(0.4,), ks=(2,),
    ...                      seeds=(0,), n_rewired=0, perturbed=(), errors=(), n_jobs=1)
    >>> run_noise(tiny, progress=False).scores["method"].tolist()[:2]
    ['noisy', 'aligned']
    """
    if truth is None and settings.network not in RANDOM:
        truth = connected(load(settings.network).kb)
    jobs = list(_jobs(settings))
    sources = code_sha256()
    folder = None if cache is None else Path(cache)
    calls = [({**job, "code": sources}, truth, folder) for job in jobs]
    found = side_by_side(run_job, calls, settings.n_jobs, "runs", progress)
    results = list(zip(jobs, found, strict=True))
    scores = _collect(results, "scores", settings, RUN, mean_of_orders=True)
    thin = _collect(
        results, "thin", settings, ["network", "curve", "level", "k", "noise", "seed"], True
    )
    return NoiseTables(
        scores=scores,
        summary=summarise(scores, ["network", "k", "noise"]),
        topology=_topology(results, settings),
        thin=thin,
        thin_summary=summarise(thin, ["network", "curve", "level", "k", "noise"]),
        harmless=_collect(results, "harmless", settings, ["network", "responses", "k", "seed"]),
        example=_example(settings, truth),
    )


def connected(kb: KnowledgeBase) -> KnowledgeBase:
    """The network without the genes that have no edge to or from another gene."""
    edges = kb.to_edges()
    pairs = edges[edges["source"] != edges["target"]]
    kept = set(pairs["source"]) | set(pairs["target"])
    return KnowledgeBase.from_edges(
        edges[edges["source"].isin(kept)],
        genes=[g for g in kb.genes if g in kept],
        names={g: name for g, name in kb.names.items() if g in kept},
        regulators=[g for g in kb.regulators if g in kept],
    )


# ------------------------------------------------------------------------------------- jobs


def _jobs(settings: NoiseSettings) -> Iterator[dict[str, Any]]:
    shared = {
        "methods": list(settings.methods),
        "orders": settings.orders,
        "published_iterations": settings.published_iterations,
    }
    for seed in settings.seeds:
        here = {"network": _network(settings, seed), "seed": seed}
        if settings.n_rewired and (settings.network in RANDOM or seed == settings.seeds[0]):
            yield {"kind": "null", **here, "n_rewired": settings.n_rewired}
        for k in settings.ks:
            for noise in settings.levels:
                shape = settings.n_rewired > 0 and k == max(settings.ks)
                about = {"k": k, "noise": noise, "topology": shape}
                yield {"kind": "recovery", **here, **shared, **about}
            for responses in HARMLESS:
                at = {"k": k, "noise": settings.thin_noise}
                yield {"kind": "harmless", **here, **at, "responses": responses}
        thin = {"kind": "thin", **here, **shared}
        thin |= {"k": settings.thin_k, "noise": settings.thin_noise}
        for share in settings.perturbed:
            few = {"perturbed": share, "error": 0.0, "replicates": 1}
            yield {**thin, "curve": "perturbed", "level": share, **few}
        for error in settings.errors:
            wrong = {"perturbed": 1.0, "error": error, "replicates": settings.replicates}
            yield {**thin, "curve": "errors", "level": error, **wrong}


def _network(settings: NoiseSettings, seed: int) -> dict[str, Any]:
    """Arguments of `random_network`."""
    return {
        "n_genes": settings.n_genes,
        "n_regulators": settings.n_regulators,
        "n_edges": settings.n_edges,
        "seed": seed,
        "spread": RANDOM.get(settings.network, 0.0),
    }


# ----------------------------------------------------------------------------------- tables


def _collect(
    results: list[tuple[dict[str, Any], JobTables]],
    name: str,
    settings: NoiseSettings,
    columns: list[str],
    mean_of_orders: bool = False,
) -> pd.DataFrame:
    """Rows of one table, each with the columns of its job that say where it belongs."""
    rows = [
        {c: job[c] for c in columns if c != "network"} | {"network": settings.network} | row
        for job, found in results
        for row in found.get(name, [])
    ]
    table = with_columns(rows, columns)
    if mean_of_orders and len(table):
        keys = [*columns, "method"]
        table = table.groupby(keys, as_index=False, sort=False).mean()
    return table


def summarise(scores: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Mean over seeds of every metric, its 95% interval, and paired differences.

    Parameters
    ----------
    scores : DataFrame
        ``keys``, ``seed``, ``method`` and the metrics.
    keys : list of str
        Columns within which seeds are replicates.

    Returns
    -------
    DataFrame
        ``keys``, ``method``, ``metric``, ``mean, low, high, n_seeds`` and, for each method that
        others are compared with, ``vs_noisy, vs_noisy_low, vs_noisy_high`` and so on. Intervals
        are Student's t over seeds, cut to what the score can be; nan for a single seed.
    """
    columns = [*keys, "method", "metric", "mean", "low", "high", "n_seeds"]
    rows = []
    for place, group in scores.groupby(keys, sort=False):
        for metric in METRICS:
            by_seed = group.pivot(index="seed", columns="method", values=metric)
            for method in group["method"].unique():
                row: dict[str, object] = dict(zip(keys, place, strict=True))
                values = by_seed[method].dropna()
                mean, low, high = interval(values)
                low, high = max(low, 0.0), min(high, math.inf if metric in UNBOUNDED else 1.0)
                row |= {"method": method, "metric": metric, "mean": mean, "low": low, "high": high}
                row["n_seeds"] = len(values)
                for other in AGAINST:
                    difference = by_seed[method] - by_seed.get(other, np.nan)
                    name = f"vs_{other}"
                    row[name], row[f"{name}_low"], row[f"{name}_high"] = interval(difference)
                rows.append(row)
    return with_columns(rows, columns)


def interval(values: pd.Series, level: float = 0.95) -> tuple[float, float, float]:
    """Mean and Student's t interval; nan are left out, and so is the interval of one value.

    Examples
    --------
    >>> [round(v, 2) for v in interval(pd.Series([1.0, 2.0, 3.0]))]
    [2.0, -0.48, 4.48]
    """
    values = values.dropna()
    n = len(values)
    if n == 0:
        return float("nan"), float("nan"), float("nan")
    mean = float(values.mean())
    if n == 1:
        return mean, float("nan"), float("nan")
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * float(values.std(ddof=1)) / math.sqrt(n)
    return mean, mean - half, mean + half


def _topology(
    results: list[tuple[dict[str, Any], JobTables]], settings: NoiseSettings
) -> pd.DataFrame:
    """Noisy and refined networks beside the original and its rewirings."""
    columns = [*RUN, "state", "measure", "value"]
    originals = _collect(results, "null", settings, ["network", "seed"])
    found = _collect(results, "topology", settings, RUN)
    if originals.empty:
        return pd.DataFrame(columns=columns)
    original = originals.assign(k=0, noise=0.0, state="original")
    on = ["measure", "seed"] if settings.network in RANDOM else ["measure"]
    null = originals.rename(columns={"value": "original"}).drop(columns="network")
    null = null if "seed" in on else null.drop(columns="seed")
    table = pd.concat([original[columns], found[columns]], ignore_index=True)
    table = table.merge(null, on=on, how="left", sort=False)
    spread = table["null_sd"].where(table["null_sd"] > 1e-12)
    table["z"] = (table["value"] - table["null_mean"]) / spread
    table["change"] = table["value"] - table["original"]
    return table.drop(columns=["original", "null_sd"])


def _example(settings: NoiseSettings, truth: KnowledgeBase | None) -> pd.DataFrame:
    """One repaired pair, and the response cells that nothing but this edit explains.

    Among the repaired pairs of the run at the first seed, the smallest k and the noise level
    closest to ``thin_noise``: the pair with the median number of cells, an edge that was missing
    where there is one.
    """
    k, seed = min(settings.ks), settings.seeds[0]
    noise = min((p for p in settings.levels), key=lambda p: abs(p - settings.thin_noise))
    net = random_network(**_network(settings, seed)) if truth is None else truth
    noisy, x = net.corrupt(noise, seed), single_overexpressions(net)
    y = net.deduce(x, k)
    found = refine(noisy, x, y, k=k, seed=seed)
    columns = [*RUN, "source", "target", "before", "after", "weight_positive", "weight_negative"]
    columns += ["gain", "n_cells", "perturbed", "gene", "response", "before_edit", "after_edit"]
    repaired = _repaired(found.edits, noisy, net)
    if repaired.empty:
        return pd.DataFrame(columns=[*columns, "path"])
    added = repaired[repaired["before"] == "0"]  # an edge that comes back has a path to show
    repaired = added if len(added) else repaired
    edit = repaired.iloc[len(repaired) // 2]
    without = _without(found.kb, edit, noisy)
    now, then = found.kb.deduce(x, k), without.deduce(x, k)
    weights = found.weights.set_index(["source", "target"])
    weight = weights.reindex([(edit["source"], edit["target"])]).iloc[0]
    about = {"network": settings.network, "k": k, "noise": noise, "seed": seed}
    about |= edit[["source", "target", "before", "after", "gain", "n_cells"]].to_dict()
    about |= {"weight_positive": weight["positive"], "weight_negative": weight["negative"]}
    rows: list[dict[str, object]] = []
    for i, j in np.argwhere((now == y) & (then != y)):
        perturbed, gene = net.regulators[i], net.genes[j]
        cell = {"perturbed": perturbed, "gene": gene, "response": int(y[i, j])}
        cell |= {"before_edit": int(then[i, j]), "after_edit": int(now[i, j])}
        path = found.kb.explain({perturbed: 1}, gene, k, limit=1)["path"]
        rows.append({**about, **cell, "path": path.iloc[0] if len(path) else "no path is left"})
    return with_columns(rows, [*columns, "path"])


def _repaired(edits: pd.DataFrame, noisy: KnowledgeBase, truth: KnowledgeBase) -> pd.DataFrame:
    """Edits that give a corrupted pair its true state back, fewest cells first."""
    corrupted = noisy.changes_to(truth)
    right = edits.merge(corrupted, on=["source", "target", "before", "after"])
    return right.sort_values(["n_cells", "source", "target"], kind="stable", ignore_index=True)


def _without(refined: KnowledgeBase, edit: pd.Series, noisy: KnowledgeBase) -> KnowledgeBase:
    """The refined network with one edit undone."""
    i, j = refined.regulators.index(edit["source"]), refined.index.get_loc(edit["target"])
    state = refined.state.toarray()
    state[i, j] = noisy.state[i, j]
    return refined.with_state(state)
