"""One run of the noise experiment: a corrupted network, its responses, every method, its scores.

A job is a dict of plain values and its result is lists of plain rows, so it can be sent to another
process, kept on disk under its own hash, and taken up again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

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
from companion.parallel import one_thread_each
from companion.recovery import as_weights, edge_scores, ranking_scores, repair_scores
from companion.topology import rewired, topology

__all__ = ["METHODS", "Method", "JobTables", "random_network", "run_job"]

Int8 = npt.NDArray[np.int8]
JobTables = dict[str, list[dict[str, Any]]]


class Method(NamedTuple):
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
        was written for, and of the true network.
    """
    what = json.dumps([job, truth and network_sha256(truth)], sort_keys=True)
    name = f"{job['kind']}-{hashlib.sha256(what.encode()).hexdigest()[:20]}.json"
    kept = cache and cache / name
    if kept is not None and kept.is_file():
        rows: JobTables = json.loads(kept.read_text(encoding="utf-8"))
        return rows
    with one_thread_each(2):  # results then do not depend on how many jobs run beside this one
        network = random_network(**job["network"]) if truth is None else truth
        rows = KINDS[job["kind"]](job, network)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json(rows, kept)
    return rows


# --------------------------------------------------------------------------------- the kinds


def _recovery(job: dict[str, Any], truth: KnowledgeBase) -> JobTables:
    """Corrupt, let every method work on the job's share of single over-expressions, and score."""
    noisy = truth.corrupt(job["noise"], job["seed"])
    rng = np.random.default_rng([job["seed"], 1])
    r = len(truth.regulators)
    order = rng.permutation(r)  # shares are nested: more perturbations add to fewer
    chosen = np.sort(order[: max(1, round(job["perturbed"] * r))])
    x = single_overexpressions(truth)[np.repeat(chosen, job["replicates"])]
    y = with_errors(truth.deduce(x, job["k"]), job["error"], rng)
    scores, refined = _compare(job, noisy, truth, x, y)
    states = {"noisy": noisy, "refined": refined} if job["topology"] else {}
    shape = [
        {"state": state, "measure": measure, "value": value}
        for state, kb in states.items()
        if kb is not None
        for measure, value in topology(kb).items()
    ]
    return {job["table"]: scores, "topology": shape}


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
    null = pd.DataFrame(
        {
            "null_mean": drawn.mean(),
            "null_sd": drawn.std(ddof=1),
            "null_low": drawn.quantile(0.025),
            "null_high": drawn.quantile(0.975),
        }
    ).T.to_dict()
    return {"null": [{"measure": m, "value": v, **null[m]} for m, v in topology(truth).items()]}


KINDS = MappingProxyType({"recovery": _recovery, "harmless": _harmless, "null": _null})


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
) -> tuple[list[dict[str, Any]], KnowledgeBase | None]:
    """One row of scores per method, and the network that ours came to."""
    scores, refined = [], None
    for method, kb, weights, seconds in _results(job, noisy, truth, x, y):
        ranking = as_weights(kb) if weights is None else weights
        row = {
            **edge_scores(kb, truth, job["k"]),
            "auprc": ranking_scores(ranking, truth)["auprc"],
            **repair_scores(kb, noisy, truth),
            "n_edits": float(len(noisy.changes_to(kb))),
        }
        scores.append({"method": method, **row, "seconds": seconds})
        refined = kb if method == "aligned" else refined
    return scores, refined


def _results(
    job: dict[str, Any], noisy: KnowledgeBase, truth: KnowledgeBase, x: sp.csr_array, y: Int8
) -> Iterator[tuple[str, KnowledgeBase, pd.DataFrame | None, float]]:
    """Method, its network, the weights it ranks edges by (default: its edges), its seconds.

    The reference gives one network per order; its scores are averaged later.
    """
    k, orders = job["k"], range(job["orders"])
    ours = cache(partial(refine, noisy, x, y, k=k, seed=job["seed"]))
    plain = partial(refine, penalty="frobenius", config=RefineConfig(polish=False))
    steps = job["published_iterations"]
    ways: dict[str, list[Callable[[], Any]]] = {
        "noisy": [lambda: noisy],
        "aligned": [ours],
        "l1, no polish": [ours],
        "frobenius": [lambda: plain(noisy, x, y, k=k, seed=job["seed"])],
        "direct evidence": [lambda: direct_evidence(noisy, x, y)],
        "published rule": [lambda: published_rule(noisy, x, y, k=k, iterations=steps)],
        "identifiable": [partial(identifiable, noisy, truth, k, seed=i, x=x) for i in orders],
    }
    for method in (method for method in METHODS if method in job["methods"]):
        for way in ways[method]:
            begin = time.perf_counter()
            found = way()
            seconds = time.perf_counter() - begin
            if isinstance(found, KnowledgeBase):
                yield method, found, None, seconds
            elif method == "l1, no polish":  # of the same run as ours
                yield method, found.thresholded, found.weights, float("nan")
            else:
                yield method, found.kb, found.weights, seconds
