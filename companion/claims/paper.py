"""The paper's claims C1-C16 as data; `companion.claims.rules` judges them.

A claim about two things (the neural and the integrated prediction, two readings, two sets of
rivals) stands here once for each. *A minus B* is always the side that the paper favours, minus the
other, so that a positive figure speaks for the paper.
"""

from __future__ import annotations

from math import inf

import pandas as pd

from companion.ablations.run import FULL, PAPER_FORM, AblationTables
from companion.claims.rules import (
    DEEPEST,
    FIRST,
    PAPER_K,
    Claim,
    Part,
    Pick,
    Published,
    published_table,
)
from companion.inconsistency.report import PUBLISHED_ABSENT, PUBLISHED_CONFLICT
from companion.inconsistency.run import SCOPES, InconsistencyTables
from companion.loop.run import IterationTables
from companion.main_results.run import MainTables
from companion.main_results.tables import INTEGRATED
from companion.noise.run import NoiseTables
from companion.pathways.changes import STATISTICS
from companion.pathways.run import PathwayTables

__all__ = ["CLAIMS", "NAMED", "published_ablations", "published_noise", "published_stages"]

SCORES = ("neural", "integrated")
NAMES = {"f_d": "F_d", "f_k": "F_k", "balanced": "balanced"}

#: Rivals that the paper names, and the method here that stands for each.
NAMED = {
    "GEARS": "GEARS",
    "scGPT": "scGPT",
    "scFoundation": "scFoundation",
    "State": "State",
    "linear": "bilinear ridge",
}

#: Editions at k = 1, and those of them whose network is silent in most cells of every condition.
DIRECT = ("ecoli", "human_tf", "human_unseen", "yeast_tf")
SPARSE = ("ecoli", "human_tf", "human_unseen")


def published_stages(edition: str = "ecoli", model: str = "GNN") -> pd.DataFrame:
    """The paper's figures per stage and score; empty for an edition the paper does not have.

    Columns ``stage`` (ours: ``network`` for the paper's data-only training), ``score``, ``f_d``,
    ``f_k``, ``balanced`` and standard errors. From A-R on, the published knowledge consistency is
    measured on the refined network.
    """
    table = published_table("stages")
    table = table[(table["dataset"] == edition) & (table["model"] == model)]
    names = {"data_f1": "f_d", "knowledge_f1": "f_k"}
    table = table.rename(columns=names | {f"{a}_se": f"{b}_se" for a, b in names.items()})
    return table.assign(stage=table["stage"].replace("data_only", "network"))


def published_ablations() -> pd.DataFrame:
    """The paper's ablations: ``ablation, value, stage, data_f1, knowledge_f1, balanced``.

    Examples
    --------
    >>> table = published_ablations().set_index(["ablation", "value", "stage"])
    >>> table.loc[("loss", "no_inc", "A"), "knowledge_f1"].item()
    0.3469
    """
    return published_table("ablations")


def published_noise() -> pd.DataFrame:
    """The paper's figures: ``method, noise, network_f1, closure_f1`` and topology.

    Examples
    --------
    >>> published_noise().query("method == 'l1' and noise == 0.4")["network_f1"].item()
    0.7461
    """
    return published_table("refinement_noise")


# ------------------------------------------------------------------------- C1: what networks miss


def _share(label: str, quantity: str, scope: str, *within: float) -> Part:
    where = {"network": FIRST, "yardstick": True, "scope": scope, "quantity": quantity}
    kind, allowed = ("threshold", (within[0], within[-1])) if within else ("", (-inf, inf))
    return Part(label, Pick("shares", where, "share"), kind, within=allowed, form=".1%")


C1 = tuple(
    Claim(
        f"C1 {scope}",
        "42–71% of relationships in the data are absent from the knowledge base; at least 14% "
        f"conflict ({scope})",
        InconsistencyTables,
        (
            _share("absent", "absent", scope, *PUBLISHED_ABSENT),
            _share("conflicting", "conflicting", scope, PUBLISHED_CONFLICT, inf),
        ),
        (_share("conflicting where the network speaks", "conflicting where it speaks", scope),),
        published="42–71% absent, at least 14% in conflict",
        caveat="all at the edition's closure, and written after a first look at E. coli",
        not_testable={"demo": "data and network are simulated, their disagreement is planted"},
    )
    for scope in SCOPES
)


# ------------------------------------------------------------------- C2-C4: against other methods


#: Whom the method is set against: in words, and the rows of the differences.
RIVALS: dict[str, tuple[str, list[dict[str, object]]]] = {
    "named rivals": (
        "the rivals that the paper names, as far as they were run",
        [{"rival": method} for method in NAMED.values()],
    ),
    "all rivals": ("the best of all rivals, copies of the yardstick too", [{"best": True}]),
    "without copies": ("the best rival that does not copy the yardstick", [{"best_open": True}]),
}


def _over(metric: str, objective: str, kind: str, rival: dict[str, object]) -> Part:
    where = {"split": FIRST, "objective": objective, "metric": metric, "subset": "all"}
    pick = Pick("differences", {**where, "method": INTEGRATED} | rival)
    return Part(f"{NAMES[metric]} minus that of {{rival}}", pick, kind)


C2_TO_C4 = [
    Claim(
        f"{number} {name}",
        f"{statement} (against {RIVALS[name][0]})",
        MainTables,
        tuple(_over(metric, objective, kind, rival) for rival in RIVALS[name][1]),
        published="above every rival",
        caveat="" if name == "named rivals" else "picked on the same table, which favours it",
        some=True,
    )
    for number, statement, metric, objective, kind, names in (
        ("C2", "Balanced consistency is the highest", "balanced", "balance", "higher", RIVALS),
        ("C3", "Knowledge consistency is clearly the highest", "f_k", "balance", "higher",
         ("named rivals", "without copies")),
        ("C4", "Data consistency is not lower than any rival's", "f_d", "f_d", "not lower",
         ("named rivals", "all rivals")),
    )
    for name in names
]  # fmt: skip


# -------------------------------------------------------------------------------- C5-C8: the loop


def _step(
    score: str, start: str, end: str, metric: str, kind: str = "", on: str = "original"
) -> Part:
    """A paired change between stages on the headline split, and the paper's on *E. coli*."""
    where = {"split": FIRST, "score": score, "yardstick": on, "metric": metric}
    theirs = {"f_d": "data_f1", "f_k": "knowledge_f1"}.get(metric, metric)
    first, last = (stage.replace("network", "data_only") for stage in (start, end))
    about = {"dataset": "ecoli", "model": "GNN", "score": score, "stage": last}
    sources = [Published("stages", theirs, about, {"stage": first}, "the authors' repository")]
    if metric == "balanced":
        table1 = Published("table1_ecoli_gnn", metric, {"stage": end}, {"stage": start}, "Table 1")
        sources.insert(0, table1)
    place = "" if on == "original" else f" on the {on} network"
    return Part(
        f"{NAMES[metric]} from {start} to {end}{place}",
        Pick("changes", {**where, "from": start, "to": end}),
        kind,
        published=tuple(sources),
    )


MOVES = "from A-R on the paper measures knowledge on the refined network, we on the original one"
STILL = (
    "at k = 1 an edit moves only conditions that perturb its regulator, and these are held out "
    "together, so the change is zero by construction"
)

C5 = Claim(
    "C5",
    "On E. coli, balanced consistency climbs with every stage",
    IterationTables,
    (
        _step("neural", "network", "A-R-A-R", "balanced", "higher"),
        _step("neural", "network", "A", "balanced", "higher"),
        _step("neural", "A-R", "A-R-A-R", "balanced", "higher"),
    ),
    (
        _step("neural", "A", "A-R", "balanced"),
        _step("neural", "A", "A-R", "balanced", on="refined"),
    ),
    caveat=f"refinement changes no neural prediction, so A to A-R does not vote; {MOVES}",
    only="ecoli",
)

C6_TO_C8 = [
    Claim(
        f"{number} {score}",
        f"{statement} ({score} prediction)",
        IterationTables,
        tuple(_step(score, *step) for step in steps),
        (_step(score, *beside),),
        caveat=caveat,
        not_testable=dict.fromkeys(DIRECT, STILL) if number == "C8" else {},
    )
    for number, statement, steps, beside, caveat in (
        (
            "C6",
            "Each alignment + refinement round raises knowledge consistency without lowering data "
            "consistency",
            (
                ("network", "A-R", "f_k", "higher"),
                ("A-R", "A-R-A-R", "f_k", "higher"),
                ("network", "A-R", "f_d", "not lower"),
                ("A-R", "A-R-A-R", "f_d", "not lower"),
            ),
            ("A", "A-A", "f_k"),
            f"A-A is a second alignment without any refinement; {MOVES}",
        ),
        (
            "C7",
            "Alignment alone raises knowledge consistency",
            (("network", "A", "f_k", "higher"),),
            ("network", "A", "f_d"),
            "",
        ),
        (
            "C8",
            "Refinement adds a large further rise of knowledge consistency, accuracy stable",
            (("A", "A-R", "f_k", "higher"), ("A", "A-R", "f_d", "equal")),
            ("A", "A-R", "f_k", "", "refined"),
            MOVES,
        ),
    )
    for score in SCORES
]


# ------------------------------------------------------------------- C9-C12: the method's parts


def _paper(metric: str, where: tuple[str, ...], minus: tuple[str, ...]) -> Published:
    """A published difference on Norman, after alignment or at the stage that is named third."""
    keys = ("ablation", "value", "stage")
    ours, theirs = (dict(zip(keys, (*side, "A")[:3], strict=True)) for side in (where, minus))
    return Published("ablations", metric, ours, theirs, "Norman")


def _without(
    variant: str, metric: str, score: str, kind: str = "", against: str = FULL, paper: str = ""
) -> Part:
    """What a part of the method brings: the method with it, minus the method without."""
    where = {"variant": variant, "against": against, "score": score, "metric": metric}
    column = {"f_d": "data_f1", "f_k": "knowledge_f1"}.get(metric, metric)
    without = {"no_inc": "loss", "no_len": "loss", "random": "weight"}
    published = (_paper(column, ("kb", "original"), (without[paper], paper)),) if paper else ()
    label = f"{NAMES[metric]} with it minus without it"
    return Part(label, Pick("changes", where, flip=True), kind, published=published)


def _used(label: str, variant: str, minus: str = "", kind: str = "") -> Part:
    where = {"quantity": "cells that use symbols", "variant": variant}
    pick = Pick("trust", where, "value", {"variant": minus} if minus else {})
    return Part(label, pick, kind, form="+.1%" if minus else ".1%")


def _fallen_back(score: str) -> Part:
    where = {"variant": "random network", "against": "network", "score": score, "metric": "f_d"}
    theirs = _paper("data_f1", ("kb", "random"), ("kb", "random", "baseline"))
    label = "F_d minus that of the network alone"
    return Part(label, Pick("changes", where), "equal", published=(theirs,))


FREE = (
    "at k = 1 the network speaks in fewer cells than the share θ = 0.3 that is free, so the price "
    "never binds"
)
C9_TO_C12 = [
    *(
        Claim(
            f"C9 {score}",
            "With a random network the method falls back to the accuracy of the network alone "
            f"({score} prediction)",
            AblationTables,
            (_fallen_back(score),),
            (
                _used("cells that use random symbols", "random network"),
                _used("cells that use true ones", FULL),
            ),
        )
        for score in SCORES
    ),
    *(
        Claim(
            f"C10 {score}",
            f"Without the term for inconsistency, knowledge is aligned less ({score} prediction)",
            AblationTables,
            (_without("no Inc", "f_k", score, "higher", paper="no_inc"),),
            (_without("no Inc", "f_d", score),),
        )
        for score in SCORES
    ),
    *(
        Claim(
            f"C11 {name}",
            f"Without the price of length, symbols are relied on too much ({where})",
            AblationTables,
            (
                _used("more cells that use symbols", variant, reference, "higher"),
                _without(variant, "f_d", "integrated", "higher", reference, "no_len"),
            ),
            not_testable=dict.fromkeys(editions, FREE),
        )
        for name, where, reference, variant, editions in (
            ("default", "symbols where they speak", FULL, "no length", SPARSE),
            ("paper's form", "symbols anywhere", PAPER_FORM, "symbols anywhere, no length", ()),
        )
    ),
    *(
        Claim(
            f"C12 {score}",
            f"With random weights w the balance is worse ({score} prediction)",
            AblationTables,
            (_without("w random", "balanced", score, "higher", paper="random"),),
            (_without("w random", "f_d", score), _without("w random", "f_k", score)),
            caveat="the published rows start from different networks",
        )
        for score in SCORES
    ),
]


# -------------------------------------------------------------- C13-C15: refinement under noise

NOISE = 0.4
AT_NOISE = {"k": DEEPEST, "noise": NOISE}
WITHIN, CLOSE = pd.Interval(0, 0.2, closed="right"), 0.05
L1 = {"method": "l1", "noise": NOISE}
REBUILT = Published("refinement_noise", "network_f1", L1, source="l1")


def _score(
    label: str,
    method: str,
    metric: str,
    minus: str = "",
    kind: str = "",
    within: tuple[float, float] = (-inf, inf),
    published: Published | None = None,
) -> Part:
    other = {"method": minus} if minus else {}
    pick = Pick("scores", {**AT_NOISE, "method": method}, metric, other, per_seed=True)
    form, theirs = "+.3f" if minus else ".3f", (published,) if published else ()
    return Part(label, pick, kind, within=within, published=theirs, form=form)


LONGEST = Part(
    f"k ({PAPER_K} in the paper) =", Pick("scores", {**AT_NOISE, "method": "noisy"}, "k"), form="g"
)

C13 = (
    Claim(
        "C13 bar",
        "Rebuilt network F1 > 0.7 at 40% noise",
        NoiseTables,
        (
            _score("edge F1", "aligned", "network_f1", "", "threshold", (0.7, inf), REBUILT),
        ),
        (_score("edge F1 of the noisy network", "noisy", "network_f1"), LONGEST),
    ),
    Claim(
        "C13 gain",
        "The rebuilt network is closer to the truth than the noisy one, at 40% noise",
        NoiseTables,
        (_score("edge F1 minus the noisy network's", "aligned", "network_f1", "noisy", "higher"),),
        (_score("edge F1 of the noisy network", "noisy", "network_f1"), LONGEST),
        published="its F1 has no noisy network beside it",
        caveat="without a gain, a high F1 says how little was corrupted",
    ),
)  # fmt: skip

MEASURES = ("degree_assortativity", "modularity")


def _distance(measure: str, minus: str = "", kind: str = "") -> Part:
    """Mean distance of a measure from the original's, over the noise levels up to 20%."""
    where = {"noise": WITHIN, "k": DEEPEST, "measure": measure, "state": "refined"}
    other = {"state": minus} if minus else {}
    pick = Pick("topology", where, "change", other, per_seed=True, distance=True)
    at_20 = Published(
        "refinement_noise",
        measure,
        {"method": "l1", "noise": 0.2},
        {"method": "original", "noise": 0.0},
        "l1 at 20% noise",
    )
    label = f"distance in {measure.replace('_', ' ')}"
    label += " minus the noisy network's" if minus else ""
    return Part(label, pick, kind, CLOSE, published=(at_20,))


C14 = Claim(
    "C14",
    "Topology close to the original within 20% noise",
    NoiseTables,
    tuple(_distance(measure, kind="equal") for measure in MEASURES),
    tuple(_distance(measure, "noisy") for measure in MEASURES),
)

C15 = Claim(
    "C15",
    "The l1 penalty beats the Frobenius baseline",
    NoiseTables,
    (
        _score(
            "edge F1 of l1 minus Frobenius", "l1, no polish", "network_f1", "frobenius", "higher",
            published=Published(
                "refinement_noise", "network_f1", L1, {"method": "frobenius"}, "l1 - Frobenius"
            ),
        ),
    ),
    (
        _score("closure F1 of l1 minus Frobenius", "l1, no polish", "closure_f1", "frobenius"),
        _score("edge F1 with our polish minus Frobenius", "aligned", "network_f1", "frobenius"),
        LONGEST,
    ),
    caveat="both cut at ½; on closure F1 the published Frobenius is above the published l1",
    not_testable=dict.fromkeys(DIRECT, "at k = 1 responses are the edges themselves, so both "
                               "penalties rebuild the same network by construction"),
)  # fmt: skip


# ----------------------------------------------------------------------------------- C16: pathways

BLIND = "the controls do not tell networks apart"
C16 = Claim(
    "C16",
    "Enrichment of most KEGG pathways does not change significantly after refinement",
    PathwayTables,
    tuple(
        Part(
            f"pathways unchanged in {statistic}",
            Pick("shares", {"network": "refined", "statistic": statistic, "verdict": "unchanged"},
                 "share", maybe={"verdict": "undecided"}),
            "threshold",
            within=(0.5, inf),
            form=".0%",
        )
        for statistic in STATISTICS
    ),
    tuple(
        Part(
            f"p against as many random edits in {statistic}",
            Pick("overall", {"network": "refined", "statistic": statistic}, "p_overall"),
            form=".2g",
        )
        for statistic in STATISTICS
    ),
    published="most KEGG pathways unchanged",
    caveat="upper ends count the pathways that are undecided one by one",
    needs=(
        Part("refinement made no edit",
             Pick("networks", {"network": "refined"}, "added+dropped+flipped"), "threshold",
             within=(0, inf)),
        *(
            Part(BLIND, Pick("power", {"network": network}, "flagged"), "threshold", within=right)
            for network, right in (("modules destroyed", (0.5, inf)),
                                   ("original, itself", (-inf, 0.5)))
        ),
    ),
    not_testable={"demo": "the gene sets of this edition are planted modules, no pathways"},
)  # fmt: skip

#: All claims that can be judged, in the paper's order.
CLAIMS: tuple[Claim, ...] = (
    *C1, *C2_TO_C4, C5, *C6_TO_C8, *C9_TO_C12, *C13, C14, C15, C16,
)  # fmt: skip
