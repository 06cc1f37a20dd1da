"""The identifiability reference: how much of a corruption can be seen in the responses at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from aligned.knowledge import KnowledgeBase, Rule
from aligned.refine.evidence import check_responses, gather
from aligned.refine.exact import Objective, Reach, carried, deltas, effects, reach, steps_of

__all__ = ["identifiable", "single_overexpressions"]

Int8 = npt.NDArray[np.int8]


def single_overexpressions(kb: KnowledgeBase) -> sp.csr_array:
    """Every regulator over-expressed alone: sparse int8 of shape (r, n)."""
    r = len(kb.regulators)
    values = np.ones(r, dtype=np.int8)
    return sp.csr_array((values, (np.arange(r), kb.regulator_index)), shape=(r, len(kb.genes)))


def identifiable(
    noisy: KnowledgeBase,
    truth: KnowledgeBase,
    k: int | Rule = 5,
    rule: str = "boolean",
    seed: int = 0,
    *,
    x: object = None,
) -> KnowledgeBase:
    """The true network, with every corrupted pair put back that the responses cannot tell.

    From the truth, the pairs that differ from the noisy network are gone through in random order;
    each is put back to its corrupted state if no response changes. The result explains the
    responses exactly and lies close to the noisy network: a reference for what a method can find.
    It is a greedy solution, no proven bound; take the mean over several orders.

    Parameters
    ----------
    noisy, truth : KnowledgeBase
        Networks with the same genes and regulators.
    k, rule
        Closure, as in `KnowledgeBase.closure`.
    seed : int
        Of the order.
    x : array or sparse, shape (b, n), optional
        Perturbations whose responses are seen. Default: every regulator over-expressed alone.

    Returns
    -------
    KnowledgeBase

    Raises
    ------
    ValueError
        Genes or regulators differ, or ``x`` is no set of perturbations.

    Examples
    --------
    A shortcut a → c leaves nothing to be seen where a → b → c says the same:

    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": list("aba"), "target": list("bcc"), "sign": 1})
    >>> full, cut = (KnowledgeBase.from_edges(f, regulators="ab") for f in (net, net[:2]))
    >>> identifiable(full, cut, k=2) == full, identifiable(full, cut, k=1) == cut
    (True, True)
    """
    if noisy.genes != truth.genes or noisy.regulators != truth.regulators:
        raise ValueError(
            "the noisy and the true network differ in genes or regulators; corrupt the truth with "
            "`truth.corrupt`, which keeps both."
        )
    wanted, state = noisy.state.toarray(), truth.state.toarray()
    s, j = np.nonzero(state != wanted)
    if len(s) == 0:
        return truth
    x = single_overexpressions(truth) if x is None else x
    asked = Rule.of(k, rule)
    responses = check_responses(truth, x, truth.deduce(x, asked), None, None, "evidence")
    evidence = gather(responses, truth.regulator_index)
    seen = _Seen(Objective.build(evidence, truth.regulator_index, asked), state)
    for i in np.random.default_rng(seed).permutation(len(s)):
        seen.put_back(int(s[i]), int(j[i]), wanted[s[i], j[i]])
    return truth.with_state(state, evidence="noise")


class _Seen:
    """Edge states that explain all responses, changed only where none of them moves."""

    def __init__(self, problem: Objective, state: Int8) -> None:
        self.problem, self.state = problem, state
        self.place = {int(column): i for i, column in enumerate(problem.reg)}
        self.walks = self._reach()
        self.wanted = self._deltas(self.walks, slice(None))
        # cells that nobody sees: a perturbed gene's own
        self.unseen = (problem.evidence.up + problem.evidence.zero + problem.evidence.down) == 0

    def put_back(self, s: int, j: int, v: np.int8) -> None:
        """Give pair ``(s, j)`` the state ``v`` if no response changes."""
        before = self.state[s, j]
        self.state[s, j] = v
        walks = self.walks
        if j in self.place and self.problem.rule.k > 1 and walks.reached[:, s].any():
            walks = self._reach()
        own = np.array([j])  # seen first: most changes that can be seen are seen there
        if self._unchanged(walks, own) and self._unchanged(walks, self._downstream(walks)):
            self.walks = walks
        else:
            self.state[s, j] = before

    def _downstream(self, walks: Reach) -> npt.NDArray[np.intp]:
        """Columns with an edge from a regulator whose reach is another now."""
        moved = (walks.positive != self.walks.positive).any(axis=0)
        moved |= (walks.negative != self.walks.negative).any(axis=0)
        return np.flatnonzero((self.state[moved] != 0).any(axis=0))

    def _unchanged(self, walks: Reach, columns: npt.NDArray[np.intp]) -> bool:
        found = self._deltas(walks, columns)
        return bool(((found == self.wanted[:, columns]) | self.unseen[:, columns]).all())

    def _deltas(self, walks: Reach, columns: npt.NDArray[np.intp] | slice) -> Int8:
        counts = carried(walks, self.state[:, columns])
        return deltas(self.problem.evidence.x, effects(self.problem, counts))

    def _reach(self) -> Reach:
        steps = steps_of(self.problem, self.state[:, self.problem.reg])
        return reach(self.problem, steps, self.problem.evidence.rows, self.problem.rule.k - 1)
