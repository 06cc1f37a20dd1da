"""The claim about pathways after refinement (C16), judged from the pathway tables."""

from __future__ import annotations

import pandas as pd

from companion.claims.claims import Claim, Finding
from companion.pathways.changes import STATISTICS
from companion.pathways.report import same_bound, shares_of, with_interval
from companion.pathways.run import PathwayTables

__all__ = ["CLAIMS", "judge_pathways"]


def judge_pathways(tables: PathwayTables, edition: str) -> Finding:
    """C16: enrichment of most pathways does not change significantly after refinement.

    Per statistic the claim *holds* where the whole 95% interval of the share of unchanged pathways
    lies above one half, and *fails* where it lies below, at least half of the pathways are decided,
    and more of these are lost or gained than unchanged; otherwise it is open.

    * *not testable here*: there is no edit; or the controls do not work (the original differs from
      itself, or a network with destroyed modules is not flagged); or it is open in both statistics;
      or the gene sets are planted (edition ``demo``).
    * *reproduced*: it holds in both, and pathways move no more than under random edits.
    * *not reproduced*: it fails in one and holds in none.
    * *partly*: anything between.

    *Ours* is the share of pathways unchanged in recovery.
    """
    shares = {s: shares_of(tables, "refined", s) for s in STATISTICS}
    first = shares["recovery"].loc["unchanged"]
    holds = [s for s, t in shares.items() if t.loc["unchanged", "low"] > 0.5]
    fails = [s for s, t in shares.items() if _fails(t)]
    flags = tables.overall.set_index(["network", "statistic"])["flagged"]
    flagged = [s for s in STATISTICS if flags.loc[("refined", s)]]
    power = tables.power.set_index("network")
    works = bool(power.at["modules destroyed", "flagged"]) and not bool(
        power.at["original, itself", "flagged"]
    )
    edits = tables.networks.set_index("network").loc["refined", ["added", "dropped", "flipped"]]
    texts = [
        f"unchanged in {s}: {with_interval(t.loc['unchanged'])} of {int(t['pathways'].sum())}, "
        f"{t.loc['lost', 'pathways']} lost, {t.loc['gained', 'pathways']} gained, random edits "
        f"leave {same_bound(tables, s)['random']:.0%} within the bound, these "
        f"{same_bound(tables, s)['share']:.0%}"
        for s, t in shares.items()
    ]
    reason = "; ".join(texts) + (
        f"; pathways move more than under random edits in {' and '.join(flagged)}"
        if flagged
        else "; pathways move no more than under random edits"
    )
    verdict = "partly"
    if edits.sum() == 0:
        verdict, reason = "not testable here", "refinement made no edit"
    elif not works:
        verdict, reason = "not testable here", f"the controls do not tell networks apart; {reason}"
    elif edition == "demo":
        verdict = "not testable here"
        reason = f"the gene sets of this edition are planted modules, no pathways; {reason}"
    elif not holds and not fails:
        verdict, reason = "not testable here", f"the intervals are too wide; {reason}"
    elif len(holds) == len(STATISTICS) and not flagged:
        verdict = "reproduced"
    elif fails and not holds:
        verdict = "not reproduced"
    return Finding(
        "most KEGG pathways unchanged",
        float(first["share"]),
        float(first["low"]),
        float(first["high"]),
        verdict,
        reason,
    )


def _fails(shares: pd.DataFrame) -> bool:
    moved = shares.loc[["lost", "gained"], "share"].sum()
    stayed, high = shares.loc["unchanged", ["share", "high"]]
    return bool(high < 0.5 and moved + stayed >= 0.5 and moved > stayed)


#: The claim that the pathway tables can judge.
CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C16",
        "Enrichment of most KEGG pathways does not change significantly after refinement",
        PathwayTables,
        judge_pathways,
    ),
)
