"""One run of the noise experiment: a corrupted network, its responses, every method, its scores.

A job is a dict of plain values and its result is lists of plain rows, so it can be sent to another
process, kept on disk under its own hash, and taken up again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
import torch

from aligned.knowledge import KnowledgeBase
from aligned.records import network_sha256, write_json
from aligned.refine import (
    RefineConfig,
    direct_evidence,
    identifiable,
    published_rule,
    refine,
    single_overexpressions,
)
from companion.recovery import as_weights, edge_scores, ranking_scores, repair_scores
from companion.topology import rewired, topology

__all__ = ["METHODS", "Method", "JobTables", "random_network", "run_job"]

Int8 = npt.NDArray[np.int8]
JobTables = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Method:
    """A line of the comparison: how it is called in figures, and what it is."""

    label: str
    what: str


#: The methods side by side, in the order of the tables.
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "noisy": Method("no refinement", "the noisy network itself: the line to beat"),
        "aligned": Method("ours", "l1 penalty, then polished under exact semantics"),
        "l1, no polish": Method("ours, not polished", "the same run's first relaxation, cut at ½"),
        "frobenius": Method("Frobenius", "squared distance, not polished: the paper's baseline"),
        "direct evidence": Method("direct evidence", "an edge wherever a perturbation responds"),
        "published rule": Method("published rule", "one signed matrix, clamped at 0 or above"),
        "identifiable": Method(
            "identifiable", "the truth, with all that no response can tell left corrupted"
        ),
    }
)


def random_network(
    n_genes: int = 400,
    n_regulators: int = 60,
    n_edges: int = 1000,
    seed: int = 0,
    spread: float = 0.0,
) -> KnowledgeBase:
    """Draw a random signed network: pairs at random, half of them inhibiting, no self-loop.

    Parameters
    ----------
    n_genes, n_regulators, n_edges : int
        The regulators are the first of the genes.
    seed : int
    spread : float
        0: all pairs are equally likely. Above 0 regulators differ: how likely each is drawn is
        log-normal with this standard deviation, so that there are hubs.

    Raises
    ------
    ValueError
        The numbers leave no room for so many edges.

    Examples
    --------
    >>> kb = random_network(40, 6, 50, seed=1)
    >>> kb.n_pairs, kb.r_neg.nnz
    (50, 25)
    """
    room = n_regulators * (n_genes - 1)
    if not (1 <= n_regulators <= n_genes and 0 <= n_edges <= room):
        raise ValueError(
            f"{n_edges} edges of {n_regulators} regulators among {n_genes} genes: give at most "
            f"{max(room, 0)} edges and no more regulators than genes."
        )
    if not 0 <= spread < 5:
        raise ValueError(f"spread is {spread}; give a standard deviation from 0 to 5.")
    rng = np.random.default_rng(seed)
    share = np.exp(spread * rng.normal(size=n_regulators))
    chance = np.repeat(share / share.sum() / max(n_genes - 1, 1), n_genes - 1)
    code = rng.choice(room, size=n_edges, replace=False, p=chance if spread else None)
    source, target = np.divmod(code, max(n_genes - 1, 1))
    target += target >= source
    sign = np.where(rng.permutation(n_edges) < n_edges // 2, -1, 1)
    genes = np.array([f"r{i}" for i in range(n_regulators)])
    genes = np.append(genes, [f"g{i}" for i in range(n_genes - n_regulators)])
    edges = pd.DataFrame({"source": genes[source], "target": genes[target], "sign": sign})
    return KnowledgeBase.from_edges(edges, genes=genes, regulators=genes[:n_regulators])


def run_job(job: dict[str, Any], truth: KnowledgeBase | None, cache: Path | None) -> JobTables:
    """Run one job, or read its result where it was run before.

    Parameters
    ----------
    job : dict
        ``kind`` and what that kind needs; ``network`` (the arguments of `random_network`) where
        no truth is given.
    truth : KnowledgeBase, optional
    cache : Path, optional
        Folder of finished jobs. A file's name holds the hash of the job, which names the code it
        was written for (`code_sha256`), and of the true network.
    """
    kept = None if cache is None else cache / f"{job['kind']}-{_digest(job, truth)}.json"
    if kept is not None and kept.is_file():
        rows: JobTables = json.loads(kept.read_text(encoding="utf-8"))
        return rows
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # results then do not depend on how many jobs run beside this one
    try:
        network = random_network(**job["network"]) if truth is None else truth
        rows = KINDS[job["kind"]](job, network)
    finally:
        torch.set_num_threads(threads)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json(rows, kept)
    return rows


def _digest(job: dict[str, Any], truth: KnowledgeBase | None) -> str:
    what = [job, None if truth is None else network_sha256(truth)]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:20]


def code_sha256() -> str:
    """Hash of the code that a job's result rests on: a kept result is good for this code only."""
    root = Path(__file__).resolve().parents[2]
    method = (f"aligned/{room}" for room in ("knowledge", "refine", "scores.py"))
    parts = (*method, "companion/recovery.py", "companion/topology.py")
    files = [file for part in parts for file in _sources(root / part)]
    digest = hashlib.sha256()
    for file in [*files, Path(__file__)]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources(path: Path) -> list[Path]:
    return sorted(path.glob("*.py")) if path.is_dir() else [path]


# --------------------------------------------------------------------------------- the kinds


def _recovery(job: dict[str, Any], truth: KnowledgeBase) -> JobTables:
    """Corrupt, let every method work on all single over-expressions, and score."""
    noisy = truth.corrupt(job["noise"], job["seed"])
    x = single_overexpressions(truth)
    scores, networks = _compare(job, noisy, truth, x, truth.deduce(x, job["k"]))
    rows: JobTables = {"scores": scores, "topology": []}
    if job["topology"]:
        for state, kb in (("noisy", noisy), ("refined", networks.get("aligned"))):
            if kb is not None:
                rows["topology"] += [{"state": state, **row} for row in _measures(kb)]
    return rows


def _thin(job: dict[str, Any], truth: KnowledgeBase) -> JobTables:
    """The same with few perturbations, or with responses that are partly wrong."""
    noisy = truth.corrupt(job["noise"], job["seed"])
    rng = np.random.default_rng([job["seed"], 1])
    everything = single_overexpressions(truth)
    r = len(truth.regulators)
    order = rng.permutation(r)  # shares are nested: more perturbations add to fewer
    chosen = np.sort(order[: max(1, round(job["perturbed"] * r))])
    x = everything[np.repeat(chosen, job["replicates"])]
    y = with_errors(truth.deduce(x, job["k"]), job["error"], rng)
    return {"thin": _compare(job, noisy, truth, x, y)[0]}


def _harmless(job: dict[str, Any], truth: KnowledgeBase) -> JobTables:
    """Responses that say nothing, or nothing new: how many edits are made?"""
    rng = np.random.default_rng([job["seed"], 2])
    x = single_overexpressions(truth)
    y = truth.deduce(x, job["k"])
    kb = truth if job["responses"] == "exact" else truth.corrupt(job["noise"], job["seed"])
    if job["responses"] == "shuffled":
        y = y[rng.permutation(len(y))]
    elif job["responses"] == "random":
        y = rng.permutation(y.ravel()).reshape(y.shape)
    found = refine(kb, x, y, k=job["k"], seed=job["seed"])
    return {"harmless": [{"n_edits": len(found.edits), "note": found.note}]}


def _null(job: dict[str, Any], truth: KnowledgeBase) -> JobTables:
    """Topology of the true network, and of degree-preserving rewirings of it."""
    drawn = pd.DataFrame(
        [topology(rewired(truth, job["seed"] + 1000 * i)) for i in range(job["n_rewired"])]
    )
    rows = [
        {
            **row,
            "null_mean": float(drawn[row["measure"]].mean()),
            "null_sd": float(drawn[row["measure"]].std(ddof=1)),
            "null_low": float(drawn[row["measure"]].quantile(0.025)),
            "null_high": float(drawn[row["measure"]].quantile(0.975)),
        }
        for row in _measures(truth)
    ]
    return {"null": rows}


KINDS = MappingProxyType(
    {"recovery": _recovery, "thin": _thin, "harmless": _harmless, "null": _null}
)


def _measures(kb: KnowledgeBase) -> list[dict[str, Any]]:
    return [{"measure": name, "value": value} for name, value in topology(kb).items()]


def with_errors(y: Int8, rate: float, rng: np.random.Generator) -> Int8:
    """Responses of which a share is wrong: each of these shows one of the two other values.

    Examples
    --------
    >>> wrong = with_errors(np.zeros((100, 100), dtype=np.int8), 0.1, np.random.default_rng(0))
    >>> round(float((wrong != 0).mean()), 2), sorted(set(wrong.ravel().tolist()))
    (0.1, [-1, 0, 1])
    """
    wrong = rng.random(y.shape) < rate
    turn = rng.integers(1, 3, size=y.shape)
    return np.where(wrong, (y + 1 + turn) % 3 - 1, y).astype(np.int8)


# ------------------------------------------------------------------------------- the methods


def _compare(
    job: dict[str, Any], noisy: KnowledgeBase, truth: KnowledgeBase, x: sp.csr_array, y: Int8
) -> tuple[list[dict[str, Any]], dict[str, KnowledgeBase]]:
    """One row of scores per method, and the networks they came to."""
    scores, networks = [], {}
    for method, kb, weights, seconds in _results(job, noisy, truth, x, y):
        row = _scored(kb, weights, noisy, truth, job["k"])
        scores.append({"method": method, **row, "seconds": seconds})
        networks[method] = kb
    return scores, networks


def _results(
    job: dict[str, Any], noisy: KnowledgeBase, truth: KnowledgeBase, x: sp.csr_array, y: Int8
) -> Iterator[tuple[str, KnowledgeBase, pd.DataFrame, float]]:
    """Method, its network, the weights it ranks edges by, its seconds.

    The reference gives one network per order; its scores are averaged later.
    """
    k, methods = job["k"], job["methods"]
    if "noisy" in methods:
        yield "noisy", noisy, as_weights(noisy), 0.0
    if "aligned" in methods or "l1, no polish" in methods:
        begin = time.perf_counter()
        ours = refine(noisy, x, y, k=k, seed=job["seed"])
        seconds = time.perf_counter() - begin
        if "aligned" in methods:
            yield "aligned", ours.kb, ours.weights, seconds
        if "l1, no polish" in methods:
            yield "l1, no polish", ours.thresholded, ours.weights, float("nan")
    if "frobenius" in methods:
        begin = time.perf_counter()
        theirs = refine(
            noisy,
            x,
            y,
            k=k,
            penalty="frobenius",
            seed=job["seed"],
            config=RefineConfig(polish=False),
        )
        yield "frobenius", theirs.kb, theirs.weights, time.perf_counter() - begin
    if "direct evidence" in methods:
        begin = time.perf_counter()
        direct = direct_evidence(noisy, x, y)
        yield "direct evidence", direct, as_weights(direct), time.perf_counter() - begin
    if "published rule" in methods:
        begin = time.perf_counter()
        fit = published_rule(noisy, x, y, k=k, iterations=job["published_iterations"])
        yield "published rule", fit.kb, fit.weights, time.perf_counter() - begin
    if "identifiable" in methods:
        for order in range(job["orders"]):
            begin = time.perf_counter()
            seen = identifiable(noisy, truth, k, seed=order, x=x)
            yield "identifiable", seen, as_weights(seen), time.perf_counter() - begin


def _scored(
    kb: KnowledgeBase,
    weights: pd.DataFrame,
    noisy: KnowledgeBase,
    truth: KnowledgeBase,
    k: int,
) -> dict[str, float]:
    return {
        **edge_scores(kb, truth, k),
        "auprc": ranking_scores(weights, truth)["auprc"],
        **repair_scores(kb, noisy, truth),
        "n_edits": float(len(noisy.changes_to(kb))),
    }
