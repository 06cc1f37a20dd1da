"""The function named after an equation executes: in fits, in `refine`, in scores."""

from __future__ import annotations

import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
import pytest
from anndata import AnnData

import aligned as al
from aligned import alignment, scores
from aligned.data import folds, with_split
from aligned.knowledge import agreement_counts, closure
from aligned.refine import relaxation, search
from companion.ablations import EstimatorSettings, run_estimators

METHOD = Path(__file__).resolve().parents[1] / "book" / "method.md"

#: The thirteen equations and the function that executes each.
EQUATIONS: dict[str, Callable[..., Any]] = {
    "closure": closure.boolean_closure,
    "deduction": al.KnowledgeBase.deduction,
    "inconsistency": agreement_counts,
    "L_a": al.adapter_loss,
    "its optimum": al.optimal_adapter,
    "reinforce": alignment.reinforce_gradient,
    "local": alignment.local_gradient,
    "relaxation": relaxation.relaxed_closure,
    "proximal step": relaxation.proximal_step,
    "the polish's criterion": search.Network.criterion.fget,  # type: ignore[attr-defined]
    "F_d": al.data_consistency,
    "F_k": al.knowledge_consistency,
    "balance": al.balanced_consistency,
}
FUSION = alignment.fuse


@contextmanager
def traced() -> Iterator[set[CodeType]]:
    """The code that ran inside the block."""
    ran: set[CodeType] = set()

    def note(frame: FrameType, event: str, arg: object) -> None:
        if event == "call":
            ran.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield ran
    finally:
        sys.setprofile(before)


def names_of(ran: set[CodeType]) -> set[str]:
    return {name for name, function in EQUATIONS.items() if function.__code__ in ran}


@pytest.fixture(scope="module")
def sim() -> al.Simulation:
    return al.simulate(n_genes=60, n_regulators=12, seed=1)


@pytest.fixture(scope="module")
def data(sim: al.Simulation) -> AnnData:
    return with_split(sim.data, folds(sim.data, "perturbation", 3, 0)["0"])


TINY = al.Config(n_networks=2, network_steps=2, align_steps=2, hidden=8, k=2, rule="boolean")
EVERY_FIT = {"closure", "deduction", "F_d", "balance"}
REFINEMENT = {"closure", "deduction", "relaxation", "proximal step", "the polish's criterion"}


@pytest.mark.parametrize(
    ("estimator", "its_own"),
    [("exact", {"its optimum"}), ("reinforce", {"L_a", "reinforce"}), ("local", {"local"})],
)
def test_a_fit_runs_the_functions_named_after_the_equations(
    estimator: str, its_own: set[str], data: AnnData, sim: al.Simulation
) -> None:
    kb = al.KnowledgeBase.from_edges(sim.kb.to_edges(), sim.kb.genes)  # no closure kept yet
    config = TINY.replace(estimator=estimator, refine_edit_cost=0.5)
    with traced() as ran:
        al.Aligned(config).fit(data, kb, "A", yardstick={"k": 2, "rule": "boolean"})
    assert names_of(ran) == EVERY_FIT | its_own
    assert FUSION.__code__ in ran


def test_a_refinement_runs_them(sim: al.Simulation) -> None:
    kb = sim.kb.corrupt(0.4, seed=0)
    x = np.eye(len(kb.genes), dtype=np.int8)[kb.regulator_index]
    y = sim.kb.deduce(x, 2)
    with traced() as ran:
        assert al.refine(kb, x, y, k=2, config=al.RefineConfig(null_check=False)).changed
    assert names_of(ran) == REFINEMENT


def test_what_is_reported_runs_them(sim: al.Simulation) -> None:
    x, y, seen = sim.data.obsm["perturbation"], sim.data.X, sim.data.layers["observed"]
    genes = list(sim.data.var_names)
    with traced() as ran:
        sim.kb.inconsistency(x, y, seen, genes=genes, k=2)
        f_k = scores.knowledge_consistency(y, sim.kb, x, genes, 2, observed=seen)
        scores.balanced_consistency(scores.data_consistency(y, y, seen), f_k)
    assert names_of(ran) >= {"deduction", "inconsistency", "F_d", "F_k", "balance"}


def test_the_analysis_of_the_estimators_runs_them(sim: al.Simulation) -> None:
    bundle = al.Bundle(sim.data, sim.kb, None, sim.go_counts, {}, {}, {"k": 1, "rule": "boolean"})
    asked = EstimatorSettings(TINY, genes=(20,), speak_only=(True,), seeds=(0,), n_rows=5, steps=2)
    with traced() as ran:
        run_estimators(bundle, asked, progress=False)
    assert names_of(ran) >= {"L_a", "its optimum", "reinforce", "local"}


def test_the_book_links_every_equation_to_the_function_that_runs() -> None:
    rows = re.findall(
        r"^\| .* \| \{py:(?:func|meth|attr)\}`~(aligned[\w.]+)` \|$",
        METHOD.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    linked = [pkgutil.resolve_name(name) for name in rows]
    functions = [found.fget if isinstance(found, property) else found for found in linked]
    assert functions == list(EQUATIONS.values())
