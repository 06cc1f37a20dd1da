"""The net under a rebuilding: fits and refinements to the bit, every analysis to seven digits.

What is asked for here stands in ``golden.json``. A change that is meant to change a number rewrites
it, ``python tests/test_golden.py [part of a name]``, and says in its message which numbers moved
and why. Bits are compared on processors like the one they were taken on; numbers everywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import aligned as al
import companion
from aligned.data import Bundle, folds, with_split
from aligned.data.rows import Rows
from aligned.refine import refine
from aligned.scores import balanced_consistency, confusion, f1_from_confusion
from companion.engine import Results

GOLDEN = Path(__file__).with_name("golden.json")
MIRROR = "ALIGNED_DATA_MIRROR"
TINY = al.Config(n_networks=2, network_steps=2, align_steps=3, hidden=8, weights="full")
#: columns that are never the same twice
CLOCKS = {"seconds", "minutes"}

Value = dict[str, Any]


def sha(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str((array.dtype, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:20]


def sha_of(table: pd.DataFrame) -> str:
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()[:20]


@cache
def loaded(name: str) -> Bundle:
    if name == "ecoli" and not os.environ.get(MIRROR):
        pytest.skip(f"the originals of ecoli are not here: {MIRROR} is not set")
    return al.load(name)


@cache
def small() -> Bundle:
    """A simulated world for the analyses."""
    s = al.simulate(n_genes=70, n_regulators=14, seed=1)
    yardstick = {"k": 2, "rule": "boolean"}
    return Bundle(s.data, s.kb, s.truth, s.go_counts, s.gene_sets, s.card, yardstick)


def forgetful(kb: al.KnowledgeBase) -> al.KnowledgeBase:
    """The network without ten of its regulators, whose genes are perturbed all the same."""
    edges = kb.to_edges()
    return al.KnowledgeBase.from_edges(
        edges[~edges["source"].isin(kb.regulators[::6])], genes=kb.genes
    )


# ------------------------------------------------------------------------------- what is asked


def fit(name: str, config: al.Config, schedule: str = "A-R-A-R") -> Value:
    bundle = loaded(name)
    data = with_split(bundle.data, folds(bundle.data, "perturbation", 3, 0)["0"])
    model = al.Aligned(config).fit(data, bundle.kb, schedule, yardstick=bundle.yardstick)
    rows, _ = model.scored_rows
    said = model.predict(rows.x)
    history = model.history
    return {
        "probabilities": sha(said.probabilities),
        "calls": sha(said.neural, said.symbolic, said.adapter, said.fused),
        "edits": sha_of(model.edits[["stage", "source", "target", "before", "after"]]),
        "n_edits": int(model.n_edits),
        "scores": numbers(history),
    }


def refinement(name: str, **options: Any) -> Value:
    bundle = loaded(name)
    rows = Rows.of(bundle.data, bundle.kb)
    x, y, observed = rows.x, np.zeros(rows.x.shape, np.int8), np.zeros(rows.x.shape, bool)
    columns = bundle.kb.columns(list(bundle.data.var_names))
    y[:, columns], observed[:, columns] = rows.y, rows.observed
    kb = forgetful(bundle.kb) if options.get("candidates") == "perturbed" else bundle.kb
    evidence = np.arange(len(rows)) % 2 == 0
    search = al.RefineConfig(max_iter=options.pop("max_iter", None))
    found = refine(kb, x, y, observed=observed, evidence=evidence, config=search, **options)
    return {"edits": sha_of(found.edits), "numbers": numbers(found.edits)}


def metrics() -> Value:
    rng = np.random.default_rng(0)
    truth, said = (rng.choice([-1, 0, 1], (9, 40), p=[0.1, 0.8, 0.1]) for _ in range(2))
    counts = confusion(truth, said, rng.random((9, 40)) < 0.9)
    f1 = float(f1_from_confusion(counts.sum(axis=0)))
    balances = [float(balanced_consistency(f1, 0.5, g)) for g in (0.5, 1, 2)]
    return {"counts": sha(counts), "f1": f1, "balanced": balances}


def numbers(table: pd.DataFrame) -> dict[str, float]:
    """Rows of a table, and the sum of each numeric column."""
    found = {c: float(table[c].sum()) for c in table.select_dtypes("number") if c not in CLOCKS}
    return {"rows": float(len(table)), **found}


def analysis(run: str, settings: str, **options: Any) -> Value:
    """Rows and total of every table of one analysis."""
    asked = getattr(companion, settings)(**options)
    given = (asked,) if settings == "NoiseSettings" else (small(), asked)
    tables = getattr(companion, run)(*given, progress=False)
    if isinstance(tables, Results):
        kind = getattr(companion, settings.replace("Settings", "Tables"))
        tables = kind.of(tables, asked.n_boot)
    frames = {k: t for k, t in vars(tables).items() if isinstance(t, pd.DataFrame)}
    return {name: numbers(table) for name, table in frames.items()}


DRAWN = {"config": TINY, "seeds": (0, 1), "n_folds": 2, "n_boot": 50, "n_jobs": 1}

CASES: dict[str, Callable[[], Value]] = {
    **{
        f"fit demo {e} {m}": partial(fit, "demo", TINY.replace(estimator=e, model=m))
        for e, m in product(("local", "reinforce", "exact"), ("gnn", "mlp"))
    },
    "fit demo everywhere": partial(
        fit, "demo", TINY.replace(speak_only=False, refine_rows="all", decision="argmax", k=2)
    ),
    "fit demo gene weights": partial(fit, "demo", TINY.replace(weights="gene")),
    "fit ecoli": partial(fit, "ecoli", TINY, "A-R"),
    **{
        f"refine demo {c} k={k} {p} {r}": partial(
            refinement, "demo", candidates=c, k=k, penalty=p, rows=r, edit_cost=0.5, max_iter=40
        )
        for c, k, p, r in [
            ("known", 1, "l1", "evidence"),
            ("known", 2, "l1", "all"),
            ("known", 5, "l1", "evidence"),
            ("perturbed", 1, "l1", "all"),
            ("perturbed", 2, "frobenius", "evidence"),
            ("known", 2, "frobenius", "all"),
        ]
    },
    "refine demo majority auto": partial(refinement, "demo", k=al.Rule(2, "majority")),
    "refine ecoli": partial(refinement, "ecoli", k=1, edit_cost=0.5),
    "metrics": metrics,
    "inconsistency": partial(
        analysis, "run_inconsistency", "InconsistencySettings", ks=(1, 3), n_null=5, n_boot=40
    ),
    "main": partial(
        analysis, "run_main", "MainSettings", **DRAWN, splits=("perturbation",),
        rivals=("no change", "class frequencies", "direct edges only"),
    ),
    "iterations": partial(analysis, "run_iterations", "IterationSettings", **DRAWN),
    "noise": partial(
        analysis, "run_noise", "NoiseSettings", n_genes=50, n_regulators=10, n_edges=90,
        levels=(0.0, 0.4), ks=(2,), seeds=(0, 1), orders=2, n_rewired=3, n_jobs=1,
    ),
    "hidden": partial(
        analysis, "run_hidden", "HiddenSettings", config=TINY, seeds=(0, 1), n_inner=2,
        fit_seeds=1, n_boot=200, n_jobs=1,
    ),
    "pathways": partial(
        analysis, "run_pathways", "PathwaySettings", config=TINY, min_size=8, n_splits=10,
        permutations=40, null_permutations=20, n_null=39, n_topology=2, n_jobs=1,
    ),
    "ablations": partial(
        analysis, "run_ablations", "AblationSettings", **{**DRAWN, "seeds": (0,)},
        split="perturbation", variants=("θ = 0", "random network"),
    ),
    "estimators": partial(
        analysis, "run_estimators", "EstimatorSettings", config=TINY, genes=(30, 0), seeds=(0,),
        n_rows=15, steps=20,
    ),
}  # fmt: skip


# ----------------------------------------------------------------------------------- the tests


def here() -> list[str]:
    """What bits depend on."""
    return [torch.backends.cpu.get_cpu_capability(), torch.__version__, np.__version__]


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def without_bits(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_bits(v) for k, v in value.items() if not isinstance(v, str)}
    return value


def flat(value: Any, at: str = "") -> dict[str, Any]:
    """Nested values by their place, so that a difference names it."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {at: value}
    return {k: v for name in value for k, v in flat(value[name], f"{at}/{name}").items()}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, str):
        return bool(one == other)
    return bool(np.isclose(one, other, rtol=1e-7, atol=1e-9, equal_nan=True))


@pytest.mark.parametrize("name", CASES)
def test_same_as_ever(name: str, one_thread: None) -> None:
    stored = json.loads(GOLDEN.read_text(encoding="utf-8"))
    found, expected = CASES[name](), stored["cases"][name]
    if here() != stored["taken with"]:
        found, expected = without_bits(found), without_bits(expected)
    found, expected = flat(found), flat(expected)
    assert sorted(found) == sorted(expected)
    unlike = {
        place: (expected[place], value)
        for place, value in found.items()
        if not same(value, expected[place])
    }
    assert unlike == {}, "golden, now"


if __name__ == "__main__":
    torch.set_num_threads(1)
    known = json.loads(GOLDEN.read_text(encoding="utf-8"))["cases"] if GOLDEN.exists() else {}
    asked = [name for name in CASES if " ".join(sys.argv[1:]) in name]
    known |= {name: CASES[name]() for name in asked}
    stored = {"taken with": here(), "cases": {name: known[name] for name in CASES}}
    GOLDEN.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
