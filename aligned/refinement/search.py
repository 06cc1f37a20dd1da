"""Relaxing and polishing in turn: the search for the network that `refine` returns.

The relaxed problem sees every edge at once but blurs what is ambiguous; the polish is exact but
takes one change at a time. Where a closure is deep, errors among the regulators mislead both, so
the regulators' edges that a polish has settled start the next relaxation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aligned.refinement.block import GAIN, Network
from aligned.refinement.exact import Objective, state_of
from aligned.refinement.polish import polish_network
from aligned.refinement.relaxation import Relaxed, Schedule, relax

__all__ = ["Found", "search", "unexplained_share"]

State = npt.NDArray[np.int8]

#: A round that leaves less than this unexplained is the last one.
SETTLED = 0.005


@dataclass
class Found:
    """What the search found.

    Attributes
    ----------
    net : Network
        The network of the lowest objective.
    relaxed : Relaxed
        Weights of the relaxation that led there.
    thresholded : ndarray of int8, shape (r, n)
        The first relaxation cut at ½, before any polish.
    """

    net: Network
    relaxed: Relaxed
    thresholded: State

    @property
    def hints(self) -> npt.NDArray[np.float32]:
        """Relaxed weights, positive minus negative."""
        return self.relaxed.positive - self.relaxed.negative

    def reprice(self, edit_cost: float) -> None:
        """Polish again if an edit costs more than it did."""
        net = self.net
        if edit_cost > net.edit_cost:
            self.net = polish_network(net.problem, [net.state], net.original, edit_cost, self.hints)


def search(
    problem: Objective,
    original: State,
    edit_cost: float,
    schedule: Schedule,
    rounds: int,
    device: str = "cpu",
    progress: bool = False,
) -> Found:
    """Relax, cut, polish; again from the polished regulators while much stays unexplained.

    Parameters
    ----------
    original : ndarray of int8, shape (r, n)
        Edge states of the input network: what counts as an edit is a difference from it.
    rounds : int
        Most rounds; 0 relaxes and cuts without polishing.
    """

    def look(start: State) -> Found:
        relaxed = relax(start, problem.reg, problem.evidence, schedule, device, progress)
        cut = state_of(relaxed.positive > 0.5, relaxed.negative > 0.5)
        return Found(Network(problem, cut, original, edit_cost), relaxed, cut)

    def polished(found: Found, *starts: State) -> Network:
        return polish_network(problem, [*starts], original, edit_cost, found.hints)

    best = look(original)
    if rounds == 0:
        return best
    best.net = polished(best, best.thresholded, original)
    for _ in range(1, rounds):
        if problem.k == 1 or unexplained_share(best.net) < SETTLED:
            break
        settled = original.copy()
        settled[:, problem.reg] = best.net.state[:, problem.reg]
        again = look(settled)
        again.net = polished(again, again.thresholded)
        if again.net.objective >= best.net.objective + GAIN:
            break
        best.net, best.relaxed = again.net, again.relaxed
    return best


def unexplained_share(net: Network) -> float:
    """Share of unexplained cells among those where something is deduced or was seen."""
    evidence = net.problem.evidence
    spoken = (net.deduced() != 0) | (evidence.up + evidence.down > 0)
    seen = evidence.up + evidence.zero + evidence.down
    total = float(seen[spoken].sum(dtype=np.float64))
    return (net.misfit + net.problem.silent) / total if total else 0.0
