"""The claims about the method's parts (C9-C12), judged from the ablation tables.

All changes are paired, after alignment, against the true network, with 95% intervals. The published
figures are of another data set (Norman, GNN), so they stand beside ours and are not the bar.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from aligned._assets import asset
from aligned.config import Config
from aligned.scores import balanced_consistency
from companion.ablations.run import FULL, PAPER_FORM, AblationTables
from companion.claims.claims import Claim, Finding
from companion.claims.loop import MATTERS
from companion.statistics import signed_interval

__all__ = ["CLAIMS", "published_ablations"]

SCORES = ("neural", "integrated")
USED = "cells that use symbols"


def published_ablations() -> pd.DataFrame:
    """The paper's ablations: ``ablation, value, stage, data_f1, knowledge_f1``.

    Examples
    --------
    >>> table = published_ablations().set_index(["ablation", "value", "stage"])
    >>> table.loc[("loss", "no_inc", "A"), "knowledge_f1"].item()
    0.3469
    """
    return pd.read_csv(asset("data/published/ablations.csv"))


def _published(ablation: str, value: str, stage: str = "A") -> pd.Series:
    table = published_ablations()
    keep = (table["ablation"] == ablation) & (table["value"] == value) & (table["stage"] == stage)
    return table[keep].iloc[0]


def judge_random(score: str) -> Callable[[AblationTables, str], Finding]:
    """C9: with a random network the method falls back to the accuracy of the network alone.

    Looked at: data consistency after alignment with rewired edges, minus that of the network stage.

    * *not reproduced*: the whole interval lies below zero and the mean fall is at least `MATTERS`;
    * *reproduced*: the whole interval lies within ``±MATTERS``, and the adapter turns away from the
      symbols: it uses less than half as many as with the true network;
    * *partly*: anything else. The interval decides nothing, or the accuracy holds although the
      adapter goes on using symbols, or it rises.
    """

    def judge(tables: AblationTables, edition: str) -> Finding:
        theirs = _published("kb", "random")["data_f1"]
        published = (
            f"F_d {theirs - _published('kb', 'random', 'baseline')['data_f1']:+.3f} (Norman)"
        )
        row = _change(tables, "random network", "network", score, "f_d")
        if row is None:
            return _untested(published, "random network")
        used = tables.trust[tables.trust["quantity"] == USED].set_index("variant")["value"]
        turned = bool(used["random network"] < used[FULL] / 2)
        verdict = "partly"
        if row["high"] < 0 and row["difference"] <= -MATTERS:
            verdict = "not reproduced"
        elif row["low"] > -MATTERS and row["high"] < MATTERS and turned:
            verdict = "reproduced"
        known = _change(tables, "random network", "network", score, "f_k")
        text = (
            f"F_d against the network alone: {_text(row)}; the adapter uses symbols in "
            f"{used['random network']:.1%} of the cells ({used[FULL]:.1%} with the true network), "
            f"so it {'turns away from' if turned else 'does not notice'} the random ones"
        )
        if known is not None:
            text += f"; F_k against the true network: {_text(known)}"
        return _finding(published, row, verdict, text, edition)

    return judge


def judge_inconsistency_term(score: str) -> Callable[[AblationTables, str], Finding]:
    """C10: without the term for inconsistency, knowledge consistency is lower.

    * *reproduced*: the whole interval of the change lies below zero;
    * *not reproduced*: the whole interval lies above ``-MATTERS``: no fall that matters;
    * *partly*: the interval excludes neither.
    """
    return _judge_fall("no Inc", "f_k", score, _published_fall("loss", "no_inc"))


def judge_random_weights(score: str) -> Callable[[AblationTables, str], Finding]:
    """C12: with random weights w the balance is worse. Verdicts as in C10."""

    def published() -> str:
        random, full = _published("weight", "random"), _published("kb", "original")
        before, after = (
            float(balanced_consistency(row["data_f1"], row["knowledge_f1"]))
            for row in (full, random)
        )
        return f"balanced {after - before:+.3f} (Norman; its rows start elsewhere)"

    return _judge_fall("w random", "balanced", score, published)


def _published_fall(ablation: str, value: str) -> Callable[[], str]:
    def published() -> str:
        gap = (
            _published(ablation, value)["knowledge_f1"]
            - _published("kb", "original")["knowledge_f1"]
        )
        return f"F_k {gap:+.3f} (Norman)"

    return published


def _judge_fall(
    variant: str, metric: str, score: str, published: Callable[[], str]
) -> Callable[[AblationTables, str], Finding]:
    def judge(tables: AblationTables, edition: str) -> Finding:
        row = _change(tables, variant, FULL, score, metric)
        if row is None:
            return _untested(published(), variant)
        verdict = "partly"
        if row["high"] < 0:
            verdict = "reproduced"
        elif row["low"] > -MATTERS:
            verdict = "not reproduced"
        others = [m for m in ("f_d", "f_k", "balanced") if m != metric]
        beside = {m: _change(tables, variant, FULL, score, m) for m in others}
        names = {"f_d": "F_d", "f_k": "F_k", "balanced": "balanced"}
        text = f"{names[metric]} without it: {_text(row)}" + "".join(
            f"; {names[m]}: {_text(r)}" for m, r in beside.items() if r is not None
        )
        return _finding(published(), row, verdict, text, edition)

    return judge


def judge_length(reference: str, variant: str) -> Callable[[AblationTables, str], Finding]:
    """C11: without the price of length, the method relies on symbols too much.

    *Too much* is two things: symbols are used in more cells (the intervals of the two shares do not
    overlap), and the fused prediction's data consistency falls (whole interval below zero).

    * *not testable here*: without the price, symbols are used in less than the free share θ (upper
      end of the interval, mean over conditions), so the price hardly binds;
    * *reproduced*: more symbols, and a fall; *partly*: more symbols, and no certain fall;
    * *not reproduced*: no more symbols than with the price.
    """

    def judge(tables: AblationTables, edition: str) -> Finding:
        mine, full = _published("loss", "no_len"), _published("kb", "original")
        published = (
            f"F_d {mine['data_f1'] - full['data_f1']:+.3f}, "
            f"F_k {mine['knowledge_f1'] - full['knowledge_f1']:+.3f} (Norman)"
        )
        row = _change(tables, variant, reference, "integrated", "f_d")
        if row is None:
            return _untested(published, variant)
        used = tables.trust[tables.trust["quantity"] == USED].set_index("variant")
        without, priced = used.loc[variant], used.loc[reference]
        text = (
            f"symbols in {_percent(without)} of the cells without the price, {_percent(priced)} "
            f"with it; F_d of the fused prediction: {_text(row)}"
        )
        theta = Config().theta
        if without["high"] < theta:
            verdict = "not testable here"
            text = f"a share θ = {theta} is free, and on average fewer are used: {text}"
        elif without["low"] <= priced["high"]:
            verdict = "not reproduced"
        else:
            verdict = "reproduced" if row["high"] < 0 else "partly"
        return _finding(published, row, verdict, text, edition)

    return judge


# ------------------------------------------------------------------------------------ looking up


def _change(
    tables: AblationTables, variant: str, against: str, score: str, metric: str
) -> pd.Series | None:
    table = tables.changes
    rows = table[
        (table["variant"] == variant)
        & (table["against"] == against)
        & (table["score"] == score)
        & (table["metric"] == metric)
    ]
    return rows.iloc[0] if len(rows) else None


def _text(row: pd.Series) -> str:
    return signed_interval(row["difference"], row["low"], row["high"])


def _percent(row: pd.Series) -> str:
    return f"{row['value']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"


def _finding(published: str, row: pd.Series, verdict: str, text: str, edition: str) -> Finding:
    if edition == "demo":
        text += "; responses are simulated from a network, which favours knowledge"
    mean, low, high = (float(row[name]) for name in ("difference", "low", "high"))
    return Finding(published, mean, low, high, verdict, text)


def _untested(published: str, variant: str) -> Finding:
    nan = float("nan")
    return Finding(
        published, nan, nan, nan, "not testable here", f"the variant {variant!r} was not run"
    )


#: The claims that the ablation tables can judge.
CLAIMS: tuple[Claim, ...] = (
    *(
        Claim(
            f"C9 {score}",
            "With a random network the method falls back to the accuracy of the network alone "
            f"({score} prediction)",
            AblationTables,
            judge_random(score),
        )
        for score in SCORES
    ),
    *(
        Claim(
            f"C10 {score}",
            f"Without the term for inconsistency, knowledge is aligned less ({score} prediction)",
            AblationTables,
            judge_inconsistency_term(score),
        )
        for score in SCORES
    ),
    Claim(
        "C11 default",
        "Without the price of length, symbols are relied on too much (symbols where they speak)",
        AblationTables,
        judge_length(FULL, "no length"),
    ),
    Claim(
        "C11 paper's form",
        "Without the price of length, symbols are relied on too much (symbols anywhere)",
        AblationTables,
        judge_length(PAPER_FORM, "symbols anywhere, no length"),
    ),
    *(
        Claim(
            f"C12 {score}",
            f"With random weights w the balance is worse ({score} prediction)",
            AblationTables,
            judge_random_weights(score),
        )
        for score in SCORES
    ),
)
