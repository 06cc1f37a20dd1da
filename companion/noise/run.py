"""The noise experiment (the paper's Fig. 4): what refinement recovers of a corrupted network.

A network is taken as the truth, its responses to all single over-expressions are deduced, the
network is corrupted, and every method tries to come back. Seeds are replicates: a seed draws the
corruption and, for random networks, the network.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aligned.data import load
from aligned.knowledge import KnowledgeBase
from aligned.refine import refine, single_overexpressions
from companion.engine import Settings
from companion.noise.jobs import METHODS, JobTables, random_network, run_job
from companion.parallel import side_by_side
from companion.sources import fingerprint
from companion.statistics import over_seeds, with_columns

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
#: Shares among the settings, from least to most; and whole numbers, each with the least it may be.
SHARES = {"levels": (0, 1), "thin_noise": (0, 1), "perturbed": (1e-9, 1), "errors": (0, 0.6)}
ONE_UP = ("ks", "orders", "thin_k", "replicates", "published_iterations")
NUMBERS = {**dict.fromkeys(ONE_UP, 1), "n_rewired": 0}
#: Order of columns that say which run a row belongs to.
RUN = ["network", "k", "noise", "seed"]


@dataclass(frozen=True)
class NoiseSettings(Settings):
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
        for name, what in vars(self).copy().items():
            if isinstance(what, (list, tuple)):
                object.__setattr__(self, name, tuple(what))
        for name in ("levels", "ks", "seeds", "methods"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty; give at least one.")
        unknown = [m for m in self.methods if m not in METHODS]
        if unknown:
            raise ValueError(f"method {unknown[0]!r} is unknown; choose among {list(METHODS)}.")
        for name, (low, high) in SHARES.items():
            for v in self._values(name):
                if not low <= v <= high:
                    raise ValueError(f"{name} holds {v}; give shares from {low:g} to {high:g}.")
        for name, least in NUMBERS.items():
            for v in self._values(name):
                if isinstance(v, bool) or v != int(v) or v < least:
                    raise ValueError(f"{name} holds {v!r}; give whole numbers >= {least}.")
        if self.n_rewired == 1:
            raise ValueError("n_rewired is 1; one rewiring has no spread: give 0 or at least 2.")

    def _values(self, name: str) -> tuple[Any, ...]:
        value = getattr(self, name)
        return value if isinstance(value, tuple) else (value,)


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
    code = fingerprint(["companion.noise.jobs"])
    calls = [({**job, "code": code}, truth, cache and Path(cache)) for job in jobs]
    found = side_by_side(run_job, calls, settings.n_jobs, "runs", progress)
    results = [(job | {"network": settings.network}, t) for job, t in zip(jobs, found, strict=True)]
    thin_place = ["network", "curve", "level", "k", "noise"]
    scores = _mean_of_orders(_collect(results, "scores", RUN), RUN)
    thin = _mean_of_orders(_collect(results, "thin", [*thin_place, "seed"]), [*thin_place, "seed"])
    return NoiseTables(
        scores=scores,
        summary=summarise(scores, RUN[:-1]),
        topology=_topology(results, settings),
        thin=thin,
        thin_summary=summarise(thin, thin_place),
        harmless=_collect(results, "harmless", ["network", "responses", "k", "seed"]),
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
                about = {"table": "scores", "k": k, "noise": noise, "topology": shape}
                yield {"kind": "recovery", **here, **shared, **about, **_evidence()}
            for responses in HARMLESS:
                at = {"k": k, "noise": settings.thin_noise}
                yield {"kind": "harmless", **here, **at, "responses": responses}
        thin = {"kind": "recovery", "table": "thin", "topology": False, **here, **shared}
        thin |= {"k": settings.thin_k, "noise": settings.thin_noise}
        for share in settings.perturbed:
            yield {**thin, "curve": "perturbed", "level": share, **_evidence(share)}
        for error in settings.errors:
            wrong = _evidence(error=error, replicates=settings.replicates)
            yield {**thin, "curve": "errors", "level": error, **wrong}


def _evidence(perturbed: float = 1.0, error: float = 0.0, replicates: int = 1) -> dict[str, Any]:
    """What of the responses a job sees; by default all, each once and right."""
    return {"perturbed": perturbed, "error": error, "replicates": replicates}


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
    results: list[tuple[dict[str, Any], JobTables]], name: str, columns: list[str]
) -> pd.DataFrame:
    """Rows of one table, each with the columns of its job that say where it belongs."""
    rows = [
        {**{c: job[c] for c in columns}, **row}
        for job, found in results
        for row in found.get(name, [])
    ]
    return with_columns(rows, columns)


def _mean_of_orders(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    if table.empty:
        return table
    return table.groupby([*columns, "method"], as_index=False, sort=False).mean()


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
        wide = group.pivot(index="seed", columns="method", values=list(METRICS))
        for metric, method in product(METRICS, group["method"].unique()):
            values = wide[metric, method]
            mean, low, high = over_seeds(values)
            low, high = max(low, 0.0), min(high, math.inf if metric in UNBOUNDED else 1.0)
            row = dict(zip(columns, (*place, method, metric, mean, low, high), strict=False))
            row["n_seeds"] = values.count()
            for other in AGAINST:
                found = over_seeds(values - wide.get((metric, other), np.nan))
                ends = (f"vs_{other}{end}" for end in ("", "_low", "_high"))
                row |= dict(zip(ends, found, strict=True))
            rows.append(row)
    return with_columns(rows, columns)


def _topology(
    results: list[tuple[dict[str, Any], JobTables]], settings: NoiseSettings
) -> pd.DataFrame:
    """Noisy and refined networks beside the original and its rewirings."""
    columns = [*RUN, "state", "measure", "value"]
    originals = _collect(results, "null", ["network", "seed"])
    if originals.empty:
        return pd.DataFrame(columns=columns)
    original = originals.assign(k=0, noise=0.0, state="original")
    table = pd.concat([original, _collect(results, "topology", RUN)], ignore_index=True)[columns]
    on = ["measure", "seed"] if settings.network in RANDOM else ["measure"]
    null = originals.rename(columns={"value": "original"}).drop(columns="network")
    null = null.drop(columns={"seed"} - set(on))
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
    noise = min(settings.levels, key=lambda p: abs(p - settings.thin_noise))
    net = random_network(**_network(settings, seed)) if truth is None else truth
    noisy, x = net.corrupt(noise, seed), single_overexpressions(net)
    y = net.deduce(x, k)
    found = refine(noisy, x, y, k=k, seed=seed)
    pair, edited = ["source", "target"], ["source", "target", "before", "after"]
    columns = [*RUN, *edited, "weight_positive", "weight_negative", "gain", "n_cells", "perturbed"]
    columns += ["gene", "response", "before_edit", "after_edit", "path"]
    repaired = found.edits.merge(noisy.changes_to(net), on=edited)
    repaired = repaired.sort_values(["n_cells", *pair], kind="stable")
    if repaired.empty:
        return pd.DataFrame(columns=columns)
    added = repaired[repaired["before"] == "0"]  # an edge that comes back has a path to show
    repaired = added if len(added) else repaired
    edit = repaired.iloc[len(repaired) // 2]
    weight = found.weights.set_index(pair).reindex([tuple(edit[pair])]).iloc[0]
    about = {"network": settings.network, "k": k, "noise": noise, "seed": seed}
    about |= edit[[*edited, "gain", "n_cells"]].to_dict()
    about |= {"weight_positive": weight["positive"], "weight_negative": weight["negative"]}
    without = found.kb.state.toarray()
    i, j = net.regulators.index(edit["source"]), net.genes.index(edit["target"])
    without[i, j] = noisy.state[i, j]
    now, then = found.kb.deduce(x, k), found.kb.with_state(without).deduce(x, k)
    rows: list[dict[str, object]] = []
    for i, j in np.argwhere((now == y) & (then != y)):
        perturbed, gene = net.regulators[i], net.genes[j]
        path = found.kb.explain({perturbed: 1}, gene, k, limit=1)["path"]
        cell = {"perturbed": perturbed, "gene": gene, "response": int(y[i, j])}
        cell |= {"before_edit": int(then[i, j]), "after_edit": int(now[i, j])}
        rows.append({**about, **cell, "path": path.iloc[0] if len(path) else "no path is left"})
    return with_columns(rows, columns)
