"""Knowledge refinement: the smallest change of a network that explains the responses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from aligned.knowledge import KnowledgeBase, Rule
from aligned.refine.evidence import Responses, check_responses, gather, replicate_error
from aligned.refine.exact import Objective
from aligned.refine.nullcheck import agreement_p_value, level
from aligned.refine.relaxation import Schedule, lam_bound
from aligned.refine.report import Refinement, harm_note, report, unchanged
from aligned.refine.search import Network, search, unexplained_share

__all__ = [
    "CANDIDATES",
    "MISTRUST",
    "PENALTIES",
    "ROWS",
    "RefineConfig",
    "auto_edit_cost",
    "refine",
]

#: Share of unexplained cells from which an edit that explains a single cell is not believed.
MISTRUST = 0.03

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


_LIMITS: dict[str, tuple[Callable[[float], bool], str]] = {
    "t": (lambda v: v > 0, "a number above 0"),
    "lam": (lambda v: v >= 0, "a number >= 0"),
    "relax_alpha": (lambda v: 0 <= v <= 1, "a number from 0 to 1"),
    "max_iter": (lambda v: v >= 1, "a whole number >= 1"),
    "rounds": (lambda v: v >= 1, "a whole number >= 1"),
    "n_null": (lambda v: v >= 20, "a whole number >= 20, or null_check=False"),
    "edit_cost": (lambda v: v >= 0, "a number of cells >= 0, or 'auto'"),
    "error_rate": (lambda v: 0 <= v < 2 / 3, "a share from 0 to 2/3"),
}


def _check_number(name: str, value: float | None) -> None:
    good, wanted = _LIMITS[name]
    if value is not None and not (math.isfinite(value) and good(value)):
        raise ValueError(f"{name} is {value}; give {wanted}.")


@dataclass(frozen=True)
class RefineConfig:
    """How `refine` searches, and what it does around the search.

    Parameters
    ----------
    t : float
        Steepness of the relaxation.
    lam : float, optional
        Weight of the penalty. Default: the pull of ``edit_cost`` unexplained cells on their missing
        edge, `lam_bound`.
    relax_alpha : float
        Damping per step of a path in the relaxed closure.
    max_iter : int, optional
        Most iterations; default ``60·k - 20``, at least 100.
    rounds : int
        Most rounds of relaxing and polishing.
    error_rate : float, optional
        Share of wrong responses. Default: from rows with identical perturbations, else 0 (see
        ``edit_cost`` of `refine`).
    polish : bool
        Whether to polish; without it the thresholded weights are returned as they are.
    null_check, n_null : bool, int
        Return the network unchanged unless it agrees with the responses better than with
        responses dealt anew among the perturbations (``n_null`` dealings, `nullcheck.level`).
    device : str
        Torch device of the relaxation.
    progress : bool
        Show a progress bar on stderr.

    Raises
    ------
    ValueError
        A number is out of range.
    """

    t: float = 0.8
    lam: float | None = None
    relax_alpha: float = 0.5
    max_iter: int | None = None
    rounds: int = 2
    error_rate: float | None = None
    polish: bool = True
    null_check: bool = True
    n_null: int = 2000
    device: str = "cpu"
    progress: bool = False

    def __post_init__(self) -> None:
        for name in _LIMITS.keys() & vars(self).keys():
            _check_number(name, getattr(self, name))


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


@threadpool_limits.wrap(limits=1, user_api="blas")  # thousands of small products: none to share
def refine(
    kb: KnowledgeBase,
    x: object,
    y: object,
    k: int | Rule = 5,
    observed: npt.ArrayLike | None = None,
    candidates: str = "known",
    rows: str = "evidence",
    penalty: str = "l1",
    edit_cost: float | str = "auto",
    seed: int = 0,
    *,
    evidence: npt.ArrayLike | None = None,
    config: RefineConfig | None = None,
) -> Refinement:
    """Change the network as little as explains the responses (the paper's knowledge refinement).

    1. Relaxed problem: nonnegative weights ``P, N``, a smooth closure, an l1 penalty towards the
       network, proximal gradient. 2. Threshold at ½. 3. Polish of the exact criterion
       ``‖δ - Y‖_0 + edit_cost·#edits`` under the closure rule. Where much stays unexplained, the
       edges among regulators found so far start a second round. An *edit* is a pair of regulator
       and target whose state (none, +, -, both) changed; a flip is one edit.

    Parameters
    ----------
    kb : KnowledgeBase
        Network of n genes.
    x, y : array of int, shape (b, n), dense or sparse
        Perturbations and responses in {-1, 0, 1}, columns as ``kb.genes``. Knock-outs,
        over-expressions, several genes at once and repeated rows are all fine; rows that perturb
        no regulator are passed over.
    k : int or Rule
        Longest path of the Boolean closure, or any other rule.
    observed : array of bool, shape (b, n), optional
        Cells that were measured. A perturbed gene's own cell never counts.
    candidates : {"known", "perturbed"}
        Who may have targets; see `CANDIDATES`.
    rows, evidence : {"evidence", "all"}, array of bool of shape (b,)
        Which rows are evidence; see `ROWS`.
    penalty : {"l1", "frobenius"}
        See `PENALTIES`.
    edit_cost : float or "auto"
        Price of one edit in cells; see `auto_edit_cost`. Where no replicates tell the error rate
        and more than `MISTRUST` stays unexplained, that share stands in for it.
    seed : int
        Of the null of "do no harm"; everything else is deterministic.
    config : RefineConfig, optional
        Settings of the search.

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
    >>> x, y = [[1, 0, 0], [0, 1, 0]], [[0, 1, -1], [0, 0, -1]]
    >>> found = refine(kb, x, y, k=2, config=RefineConfig(null_check=False))
    >>> found.edits[["source", "target", "before", "after", "n_cells"]].values.tolist()
    [['b', 'c', '+', '-', 2]]
    """
    config, rule = config or RefineConfig(), Rule.of(k)
    _check_choices(candidates, rows, penalty)
    price = _price(edit_cost)
    responses = check_responses(kb, x, y, observed, evidence, rows)
    wide = _with_candidates(kb, responses) if candidates == "perturbed" else kb
    gathered = gather(responses, wide.regulator_index)
    pairs = wide.state.toarray()
    density = float((pairs != 0).mean())
    known_rate = replicate_error(responses) if config.error_rate is None else config.error_rate
    rate = known_rate or 0.0
    cost = auto_edit_cost(rate, density) if price is None else price
    lam, t = config.lam, config.t
    if penalty == "l1" and lam is not None and lam >= lam_bound(t):
        raise ValueError(
            f"lam is {lam}, but at t = {t} no new edge can pass the threshold unless lam < "
            f"t·u·(u - e^-t) = {lam_bound(t):.4g} (u = e^(-t/2)); lower lam, change t, or leave "
            "lam out."
        )
    problem = Objective.build(gathered, wide.regulator_index, rule)
    start = Network(problem, pairs, pairs, cost)
    before = start.misfit + problem.silent

    def as_it_came(note: str) -> Refinement:
        return unchanged(kb, wide, pairs, before, cost, rate, note)

    if before == 0:
        return as_it_came("returned unchanged: the network explains every response.")
    if config.null_check:
        share, p = agreement_p_value(gathered, start.deduced(), config.n_null, seed)
        if p > level(len(gathered.x), config.n_null):
            return as_it_came(harm_note(share, p, len(gathered.x)))
    weight = cost * lam_bound(t) if lam is None else lam
    iterations = config.max_iter or max(100, 60 * rule.k - 20)
    schedule = Schedule(rule.k, t, weight, config.relax_alpha, penalty, iterations)
    rounds = config.rounds if config.polish else 0
    found = search(problem, pairs, cost, schedule, rounds, config.device, config.progress)
    left = unexplained_share(found.net)
    if config.polish and price is None and known_rate is None and left > MISTRUST:
        rate = left  # nothing told the error rate: what the network cannot explain stands in for it
        dearer = auto_edit_cost(rate, density)
        if dearer > cost:
            found.polish(found.net.state, edit_cost=dearer)
    return report(kb, wide, found, responses, before, rate, config.polish)


# ------------------------------------------------------------------------------ checks


def _check_choices(candidates: str, rows: str, penalty: str) -> None:
    for name, value, table in (
        ("candidates", candidates, CANDIDATES),
        ("rows", rows, ROWS),
        ("penalty", penalty, PENALTIES),
    ):
        if value not in table:
            raise ValueError(f"{name} {value!r} is unknown; choose one of {sorted(table)}.")


def _price(edit_cost: float | str) -> float | None:
    """The number, or None for ``"auto"``."""
    if edit_cost == "auto":
        return None
    if isinstance(edit_cost, str):
        raise ValueError(f"edit_cost {edit_cost!r} is unknown; give a number or 'auto'.")
    _check_number("edit_cost", edit_cost)
    return float(edit_cost)


def _with_candidates(kb: KnowledgeBase, responses: Responses) -> KnowledgeBase:
    """The same network with a row for every gene perturbed in the evidence."""
    perturbed = set(np.unique(responses.x.indices).tolist()) | set(kb.regulator_index.tolist())
    regulators = [kb.genes[i] for i in sorted(perturbed)]
    return KnowledgeBase(kb.to_edges(), kb.genes, regulators, kb.names, kb.report)
