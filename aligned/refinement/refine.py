"""Knowledge refinement: the smallest change of a network that explains the responses."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from aligned.knowledge import RULES, KnowledgeBase
from aligned.refinement.block import Network
from aligned.refinement.evidence import (
    Responses,
    check_responses,
    gather,
    replicate_error,
)
from aligned.refinement.exact import Problem, deltas, state_of
from aligned.refinement.nullcheck import agreement_p_value
from aligned.refinement.polish import polish_network
from aligned.refinement.relaxation import Schedule, lam_bound, relax
from aligned.refinement.report import Refinement, harm_note, report, unchanged

__all__ = ["CANDIDATES", "PENALTIES", "ROWS", "auto_edit_cost", "refine"]

#: Penalties on the distance to the input network.
PENALTIES: dict[str, str] = {
    "l1": "an edge without enough evidence does not move at all",
    "frobenius": "squared distance, the paper's baseline: everything moves a little",
}
#: Which genes may have targets.
CANDIDATES: dict[str, str] = {
    "known": "the regulators of the network, also those without an edge",
    "perturbed": "these, and every gene perturbed in the evidence",
}
#: Which rows of the responses are evidence.
ROWS: dict[str, str] = {
    "evidence": "those marked in `evidence` (all, if it is not given)",
    "all": "every row, as in the paper",
}


def auto_edit_cost(error_rate: float, density: float) -> float:
    """Price of one edit, in response cells, from the error rate of the responses.

    With error rate ``e`` a cell is right with probability ``1 - e`` and shows either wrong value
    with ``e/2``: explaining one more cell raises the log-likelihood by ``log(2(1-e)/e)``. A pair
    holds an edge with prior odds ``d/(1-d)``, ``d`` the density of the network: one more edge
    costs ``log((1-d)/d)``. Their ratio is the price of an edge in cells; ½ is added so that at
    ``e = 0``, where the ratio is 0, an edit still needs one cell and ties leave the network alone.

    Examples
    --------
    >>> auto_edit_cost(0.0, 0.04), round(auto_edit_cost(0.1, 0.04), 2)
    (0.5, 1.6)
    """
    if error_rate <= 0:
        return 0.5
    e = min(error_rate, 0.5)
    d = min(max(density, 1e-9), 0.5)
    return 0.5 + math.log((1 - d) / d) / math.log(2 * (1 - e) / e)


def refine(
    kb: KnowledgeBase,
    x: object,
    y: object,
    k: int = 5,
    observed: npt.ArrayLike | None = None,
    candidates: str = "known",
    rows: str = "evidence",
    penalty: str = "l1",
    edit_cost: float | str = "auto",
    seed: int = 0,
    *,
    rule: str = "boolean",
    alpha: float = 0.5,
    margin: float = 0.0,
    evidence: npt.ArrayLike | None = None,
    t: float = 1.5,
    lam: float = 0.05,
    relax_alpha: float = 0.5,
    max_iter: int | None = None,
    error_rate: float | None = None,
    polish: bool = True,
    null_check: bool = True,
    n_null: int = 200,
    device: str = "cpu",
    progress: bool = False,
) -> Refinement:
    """Change the network as little as explains the responses (the paper's knowledge refinement).

    1. Relaxed problem: nonnegative weights ``P, N``, a smooth closure, an l1
       penalty towards the network, proximal gradient. 2. Threshold at ½. 3. Polish of the exact
       objective ``‖δ - Y‖_0 + edit_cost·#edits`` under the closure rule. An *edit* is a pair of
       regulator and target whose state (none, +, -, both) changed; a flip is one edit.

    Parameters
    ----------
    kb : KnowledgeBase
        Network of n genes.
    x, y : array of int, shape (b, n), dense or sparse
        Perturbations and responses in {-1, 0, 1}, columns as ``kb.genes``. Knock-outs,
        over-expressions, several genes at once and repeated rows are all fine; rows that perturb
        no regulator are passed over.
    k, rule, alpha, margin
        Closure rule, as in `KnowledgeBase.closure`.
    observed : array of bool, shape (b, n), optional
        Cells that were measured. A perturbed gene's own cell never counts.
    candidates : {"known", "perturbed"}
        Who may have targets; see `CANDIDATES`.
    rows, evidence : {"evidence", "all"}, array of bool of shape (b,)
        Which rows are evidence; see `ROWS`.
    penalty : {"l1", "frobenius"}
        See `PENALTIES`.
    edit_cost : float or "auto"
        Price of one edit in cells; see `auto_edit_cost`.
    seed : int
        Of the null of "do no harm"; everything else is deterministic.
    t, lam, relax_alpha, max_iter : float, float, float, int
        Steepness of the relaxation, weight of the penalty, damping per step of a path in the
        relaxed closure, most iterations (default ``60·k - 20``).
    error_rate : float, optional
        Share of wrong responses. Default: from rows with identical perturbations, else 0.
    polish : bool
        Whether to polish; without it the thresholded weights are returned as they are.
    null_check, n_null : bool, int
        Return the network unchanged unless it agrees with the responses better than with
        responses dealt anew among the perturbations (p ≤ 0.05 over ``n_null`` dealings).
    device : str
        Torch device of the relaxation.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    Refinement

    Raises
    ------
    ValueError
        Shapes disagree, an entry is no -1, 0 or 1, a choice is unknown, no row perturbs a
        regulator, or ``lam`` is so large that no new edge could ever pass the threshold.
    RuntimeError
        The result would be worse than the input (a fault of this program, never of the data).

    Examples
    --------
    Over-expressing a lowers c, which the network does not know:

    >>> import numpy as np, pandas as pd
    >>> net = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "sign": [1, 1]})
    >>> kb = KnowledgeBase.from_edges(net, genes=["a", "b", "c"])
    >>> found = refine(kb, [[1, 0, 0], [0, 1, 0]], [[0, 1, -1], [0, 0, -1]], k=2, null_check=False)
    >>> found.edits[["source", "target", "before", "after", "n_cells"]].values.tolist()
    [['b', 'c', '+', '-', 2]]
    """
    _check_choices(candidates, rows, penalty)
    _check_numbers(k, rule, margin, t, lam, relax_alpha, max_iter, n_null, error_rate, edit_cost)
    if penalty == "l1" and lam >= lam_bound(t):
        raise ValueError(
            f"lam is {lam}, but at t = {t} no new edge can pass the threshold unless lam < "
            f"t·u·(u - e^-t) = {lam_bound(t):.4g} (u = e^(-t/2)); lower lam or change t."
        )
    responses = check_responses(kb, x, y, observed, evidence, rows)
    wide = _with_candidates(kb, responses) if candidates == "perturbed" else kb
    gathered = gather(responses, wide.regulator_index)
    if error_rate is None:
        error_rate = replicate_error(responses)
    pairs = state_of(wide.r_pos.toarray(), wide.r_neg.toarray())
    if isinstance(edit_cost, str):
        edit_cost = auto_edit_cost(error_rate, float((pairs != 0).mean()))
    problem = Problem.build(gathered, wide.regulator_index, int(k), rule, alpha, margin)
    start = Network(problem, pairs, pairs, float(edit_cost))
    before = start.objective + problem.silent

    def as_it_came(note: str) -> Refinement:
        return unchanged(kb, wide, pairs, before, float(edit_cost), error_rate, note)

    if start.misfit + problem.silent == 0:
        return as_it_came("returned unchanged: the network explains every response.")
    if null_check:
        share, p = agreement_p_value(gathered, deltas(problem, start.effect), n_null, seed)
        if p > 0.05:
            return as_it_came(harm_note(share, p, len(gathered.x)))
    max_iter = max_iter or 60 * int(k) - 20
    schedule = Schedule(int(k), t, lam, relax_alpha, penalty, max_iter)
    relaxed = relax(
        (pairs & 1).astype(bool), (pairs >> 1).astype(bool), wide.regulator_index, gathered,
        schedule, device, progress,
    )  # fmt: skip
    found = state_of(relaxed.positive > 0.5, relaxed.negative > 0.5)
    if polish:
        hints = relaxed.positive - relaxed.negative
        net = polish_network(problem, [found, pairs], pairs, float(edit_cost), hints)
    else:
        net = Network(problem, found, pairs, float(edit_cost))
    return report(kb, wide, net, relaxed, responses, before, error_rate, polish)


# ------------------------------------------------------------------------------ checks


def _check_choices(candidates: str, rows: str, penalty: str) -> None:
    for name, value, table in (
        ("candidates", candidates, CANDIDATES),
        ("rows", rows, ROWS),
        ("penalty", penalty, PENALTIES),
    ):
        if value not in table:
            raise ValueError(f"{name} {value!r} is unknown; choose one of {sorted(table)}.")


def _check_numbers(
    k: object,
    rule: str,
    margin: float,
    t: float,
    lam: float,
    relax_alpha: float,
    max_iter: int | None,
    n_null: int,
    error_rate: float | None,
    edit_cost: float | str,
) -> None:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k is {k!r}; it is the longest path counted: give a whole number >= 1.")
    if rule not in RULES:
        raise ValueError(f"closure rule {rule!r} is unknown; choose one of {sorted(RULES)}.")
    if isinstance(edit_cost, str):
        if edit_cost != "auto":
            raise ValueError(f"edit_cost {edit_cost!r} is unknown; give a number or 'auto'.")
        edit_cost = 0.0
    limits: list[tuple[str, float, Callable[[float], bool], str]] = [
        ("t", t, lambda v: v > 0, "a number above 0"),
        ("lam", lam, lambda v: v >= 0, "a number >= 0"),
        ("relax_alpha", relax_alpha, lambda v: 0 <= v <= 1, "a number from 0 to 1"),
        ("margin", margin, lambda v: v >= 0, "a number of paths >= 0"),
        ("max_iter", 1 if max_iter is None else max_iter, lambda v: v >= 1, "a whole number >= 1"),
        ("n_null", n_null, lambda v: v >= 20, "a whole number >= 20, or null_check=False"),
        ("edit_cost", edit_cost, lambda v: v >= 0, "a number of cells >= 0, or 'auto'"),
        ("error_rate", error_rate or 0.0, lambda v: 0 <= v < 2 / 3, "a share from 0 to 2/3"),
    ]
    for name, value, good, wanted in limits:
        if not (math.isfinite(value) and good(value)):
            raise ValueError(f"{name} is {value}; give {wanted}.")


def _with_candidates(kb: KnowledgeBase, responses: Responses) -> KnowledgeBase:
    """The same network with a row for every gene perturbed in the evidence."""
    perturbed = set(np.unique(responses.x.indices).tolist()) | set(kb.regulator_index.tolist())
    regulators = [kb.genes[i] for i in sorted(perturbed)]
    return KnowledgeBase(kb.to_edges(), kb.genes, regulators, kb.names, kb.report)
