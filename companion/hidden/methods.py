"""Rankings of candidate edges: simple lines, learned log-odds and their ablations, refinement."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.config import Config
from aligned.data import Bundle, Rows
from aligned.knowledge import KnowledgeBase, Rule
from aligned.loop import Aligned
from aligned.refine import RefineConfig, refine
from companion.edits import net_edits
from companion.hidden.ranking import (
    SIGN_TERMS,
    TERMS,
    Candidates,
    Posterior,
    Seen,
    learn,
    network_terms,
    questions,
    terms_of,
)
from companion.recovery import dense_weights

__all__ = [
    "METHODS",
    "POSTERIOR",
    "Method",
    "Ranking",
    "after_loop",
    "learned_rankings",
    "line_rankings",
    "relaxed_ranking",
]

Float = npt.NDArray[np.float64]

#: Score of every candidate, and a number whose sign is the edge's; both of shape (q, m).
Ranking = tuple[Float, Float]

#: The method that is put to the test.
POSTERIOR = "posterior"


class Method(NamedTuple):
    """A ranking: its kind, what it is, and the learned terms it uses (of the edge, of its sign)."""

    kind: str
    what: str
    terms: tuple[str, ...] = ()
    sign_terms: tuple[str, ...] = ()
    dealt: str = ""


_NETWORK, _RESPONSE, _ALIKE = ("out_degree", "co_regulation"), ("response",), ("co_response",)
_BIAS, _DIRECTION, _ALIKE_SIGN = ((name,) for name in SIGN_TERMS)

#: All rankings, in the order of the tables.
METHODS: dict[str, Method] = {
    "log2fc": Method("line", "|log2FC|"),
    "adjusted": Method("line", "|log2FC| less the median of others with the same control"),
    "out-degree": Method("line", "visible targets of the regulator"),
    "adjusted + out-degree": Method("line", "log(0.2 + adjusted) + log(1 + out-degree)"),
    "neighbours": Method("neighbours", "visible targets next door on the genome"),
    "network": Method("part", "the two network terms", _NETWORK, _BIAS),
    "responses": Method(
        "part", "the two response terms", _RESPONSE + _ALIKE, _DIRECTION + _ALIKE_SIGN
    ),
    "network + response": Method(
        "part", "without co-response", _NETWORK + _RESPONSE, _BIAS + _DIRECTION
    ),
    "network + co-response": Method(
        "part", "without the own response", _NETWORK + _ALIKE, _BIAS + _ALIKE_SIGN
    ),
    POSTERIOR: Method("posterior", "all four terms", tuple(TERMS), tuple(SIGN_TERMS)),
    "perturbations dealt": Method(
        "null", "own responses dealt among regulators", tuple(TERMS), tuple(SIGN_TERMS), "rows"
    ),
    "genes dealt": Method(
        "null", "all responses dealt among genes", tuple(TERMS), tuple(SIGN_TERMS), "genes"
    ),
    "relaxed, measured calls": Method("refinement", "relaxed weights on the measured calls"),
    "relaxed, A-R-A-R": Method("refinement", "relaxed weights on the responses of A-R-A-R"),
}


def line_rankings(c: Candidates, visible: Seen) -> dict[str, Ranking]:
    """Rankings that need no learning."""
    size, terms = np.abs(c.adjusted), network_terms(c, visible)
    degree, bias = terms["out_degree"], terms["sign_regulator"]
    return {
        "log2fc": (np.abs(c.response), c.response),
        "adjusted": (size, c.adjusted),
        "out-degree": (degree, bias),
        "adjusted + out-degree": (np.log(0.2 + size) + degree, c.adjusted),
        "neighbours": (_next_door(c, visible) + 1e-3 * degree, bias),
    }


def _next_door(c: Candidates, visible: Seen) -> Float:
    """How many of the two genome neighbours of each gene are visible targets, shape (q, m)."""
    by_place = np.argsort(c.place)
    along = visible.edges[c.rows][:, by_place].astype(np.float64)
    beside = np.zeros_like(along)
    beside[:, 1:] += along[:, :-1]
    beside[:, :-1] += along[:, 1:]
    return np.asarray(beside[:, c.place])


def learned_rankings(
    visible_kb: KnowledgeBase,
    c: Candidates,
    share: float,
    n_inner: int,
    seed: int,
    order: tuple[str, ...] | None,
) -> tuple[dict[str, Ranking], dict[str, Posterior]]:
    """Rankings whose weights are learned by hiding again within the visible network.

    Inner hidings are drawn as the outer one was (``share``, ``order``), ``n_inner`` times.

    Returns
    -------
    (dict, dict)
        Method -> ranking, and method -> learned log-odds of an edge.
    """
    visible = Seen.of(visible_kb, c)
    inner = [
        Seen.of(visible_kb.hold_out(share, 1000 * (seed + 1) + i, order)[0], c)
        for i in range(n_inner)
    ]
    asked = [questions(c, visible, net) for net in inner]
    rng = np.random.default_rng([seed, 2])
    dealings: dict[str, dict[str, npt.NDArray[np.intp]]] = {
        "": {},
        "rows": {"deal_rows": rng.permutation(len(c.rows))},
        "genes": {"deal_genes": rng.permutation(len(c.columns))},
    }
    rankings: dict[str, Ranking] = {}
    models: dict[str, Posterior] = {}
    for dealt, how in dealings.items():
        here, *within = terms_of(c, [visible, *inner], **how)
        for name, method in METHODS.items():
            if method.terms and method.dealt == dealt:
                edge, sign = (
                    learn(terms, [(t, *q[kind]) for t, q in zip(within, asked, strict=True)])
                    for kind, terms in (("edge", method.terms), ("sign", method.sign_terms))
                )
                rankings[name] = edge.log_odds(here), sign.log_odds(here)
                models[name] = edge
    return rankings, models


def relaxed_ranking(
    kb: KnowledgeBase,
    c: Candidates,
    rows: Rows,
    y: npt.NDArray[np.int8],
    closing: Rule,
    error_rate: float | None = None,
) -> Ranking:
    """Relaxed weights of the candidates when ``kb`` is refined on responses ``y`` (b, m)."""
    response = np.zeros((len(rows), len(kb.genes)), dtype=np.int8)
    observed = np.zeros(response.shape, dtype=bool)
    response[:, c.columns], observed[:, c.columns] = y, rows.observed
    plain = RefineConfig(polish=False, null_check=False, error_rate=error_rate)
    found = refine(kb, rows.x, response, closing, observed, config=plain)
    return _of_weights(found.weights, kb, c)


def _of_weights(weights: pd.DataFrame, kb: KnowledgeBase, c: Candidates) -> Ranking:
    """Candidates by the larger of their two weights, and by which it is."""
    regulators = [kb.regulators[i] for i in c.rows]
    positive, negative = dense_weights(weights, kb, regulators)[:, :, c.columns]
    return np.maximum(positive, negative), positive - negative


def after_loop(
    bundle: Bundle, visible_kb: KnowledgeBase, c: Candidates, config: Config, schedule: str
) -> tuple[Ranking, Ranking]:
    """Fit the loop on the visible network, all conditions being training.

    Returns
    -------
    (Ranking, Ranking)
        Relaxed weights of the visible network on the loop's final responses; and its edits: 1 for
        a pair that was added.
    """
    data = bundle.data.copy()
    data.obs["split"] = "train"
    model = Aligned(config).fit(data, visible_kb, schedule, yardstick=bundle.yardstick)
    train = model.problem.train
    fused = model.predict(train.x).fused
    relaxed = relaxed_ranking(
        visible_kb, c, train, fused, model.problem.closing, model.error_rate()
    )
    edits = net_edits(visible_kb, model.kb, model.edits)
    added = edits[edits["before"] == "0"]
    signs = {"positive": "+", "negative": "-"}
    made = {name: [sign in after for after in added["after"]] for name, sign in signs.items()}
    return relaxed, _of_weights(added.assign(**made), visible_kb, c)
