"""The claim about what networks miss and contradict (C1), judged from the inconsistency tables."""

from __future__ import annotations

from companion.claims.claims import Claim, Finding
from companion.inconsistency.report import (
    PUBLISHED_ABSENT,
    PUBLISHED_CONFLICT,
    definitions,
    definitions_text,
    null_of,
    with_interval,
    yardstick_share,
)
from companion.inconsistency.run import SCOPES, InconsistencyTables

__all__ = ["CLAIMS", "judge_inconsistency"]


def judge_inconsistency(tables: InconsistencyTables, edition: str) -> Finding:
    """C1: 42-71% of relationships in the data are absent from the KB; at least 14% conflict.

    A *definition* is a network, a closure (k and rule) and a reading of "relationships in the
    data": the measured changes of all conditions, or of those in which a regulator of the network
    was perturbed. It *meets* the claim where the absent share lies from 42% to 71% and the
    conflicting share, of all these changes, is at least 14%. More than 71% is not within the range.

    * *not testable here*: data and network were simulated together (edition ``demo``), so that
      their disagreement was planted.
    * *reproduced*: met by the first network at the edition's yardstick, in both readings.
    * *partly*: met under another definition, or one of the two shares lies where the paper's does
      at the yardstick in some reading, or the absent share lies above 71% while, of the changes
      that the network speaks of, at least 14% conflict (lower end of the interval).
    * *not reproduced*: anything else.

    *Ours* is the share absent of all measured changes at the yardstick.
    """
    table = definitions(tables)
    network = table["network"].iloc[0]
    mine = table[table["yardstick"] & (table["network"] == network)].set_index("scope")
    meets = mine["in_range"] & mine["enough"]
    absent = yardstick_share(tables, "absent")
    spoken = yardstick_share(tables, "conflicting where it speaks")
    low, high = PUBLISHED_ABSENT
    texts = []
    for scope in SCOPES:
        rows = {q: yardstick_share(tables, q, scope) for q in ("absent", "conflicting")}
        share = rows["absent"]["share"]
        where = "above" if share > high else "below" if share < low else "within"
        texts.append(
            f"{scope}: {with_interval(rows['absent'])} absent ({where} {low:.0%}–{high:.0%}), "
            f"{with_interval(rows['conflicting'], 1)} in conflict "
            f"({'at least' if mine.loc[scope, 'enough'] else 'below'} {PUBLISHED_CONFLICT:.0%})"
        )
    both = table["in_range"] & table["enough"]
    null = null_of(tables, "labels")
    reason = (
        f"{network}, k = {absent['k']}, {absent['rule']}; {'; '.join(texts)}; of the changes that "
        f"it speaks of {with_interval(spoken)} conflict (shuffled perturbations "
        f"{1 - null['null_mean']:.0%}, p = {null['p']:.3f}); both shares lie where the paper's do "
        f"under {int(both.sum())} of {len(table)} definitions: {definitions_text(table)}"
    )
    beyond = absent["share"] > high and spoken["low"] >= PUBLISHED_CONFLICT
    verdict = "not reproduced"
    if edition == "demo":
        verdict = "not testable here"
        reason = f"data and network are simulated, their disagreement is planted; {reason}"
    elif meets.all():
        verdict = "reproduced"
    elif both.any() or mine["in_range"].any() or mine["enough"].any() or beyond:
        verdict = "partly"
    return Finding(
        "42–71% absent, at least 14% in conflict",
        float(absent["share"]),
        float(absent["low"]),
        float(absent["high"]),
        verdict,
        reason,
    )


#: The claim that the inconsistency tables can judge.
CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C1",
        "42–71% of relationships in the data are absent from the knowledge base; at least 14% "
        "conflict",
        InconsistencyTables,
        judge_inconsistency,
    ),
)
