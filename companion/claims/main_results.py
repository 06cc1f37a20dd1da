"""The claims of the main comparison (C2-C4), judged from its tables.

The method is its integrated prediction; which of our variants is looked at does not depend on what
came out. The best rival is picked on the same table, so the comparison leans to the rivals. A
claim that names tools which were not run can be reproduced only in part.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from companion.claims.claims import Claim, Finding
from companion.claims.loop import MATTERS
from companion.main_results.run import MainTables
from companion.main_results.tables import COPIES, INTEGRATED
from companion.statistics import signed_interval

__all__ = ["CLAIMS", "NAMED"]

#: Rivals that the paper names, and the method here that stands for each.
NAMED = {
    "GEARS": "GEARS",
    "scGPT": "scGPT",
    "scFoundation": "scFoundation",
    "State": "State",
    "linear": "bilinear ridge",
}


def judge_balance(copies: bool) -> Callable[[MainTables, str], Finding]:
    """C2: balanced consistency is the highest, thresholds tuned for balance, headline split.

    With ``copies`` all rivals take part; without, only those that do not copy the yardstick (their
    knowledge consistency is 1 by definition).

    * *reproduced*: the whole interval of the difference to the best rival lies above zero, and
      every rival that the paper names was run;
    * *partly*: the same, but some were not run;
    * *not reproduced*: otherwise.
    """

    def judge(tables: MainTables, edition: str) -> Finding:
        row = _best(tables, "balance", "balanced", "best" if copies else "best_open")
        if row is None:
            return _nothing("balanced consistency")
        verdict = _capped(row["low"] > 0, tables)
        return _finding(row, verdict, f"to {_name(tables, row)}; {_about(tables, edition)}")

    return judge


def judge_knowledge(tables: MainTables, edition: str) -> Finding:
    """C3: knowledge consistency is *clearly* highest: above every rival that does not copy it.

    A copy of the yardstick cannot be passed, so it takes no part; it stands in the reason. Tuned
    for balance. The verdicts are those of `judge_balance`.
    """
    row = _best(tables, "balance", "f_k", "best_open")
    if row is None:
        return _nothing("knowledge consistency")
    text = f"to {_name(tables, row)}"
    copies = _copies(tables)
    if copies:
        text += f"; no prediction can pass {' and '.join(copies)}, which copy the yardstick"
    return _finding(row, _capped(row["low"] > 0, tables), f"{text}; {_about(tables, edition)}")


def judge_data(tables: MainTables, edition: str) -> Finding:
    """C4: data consistency is not lower than the best rival's, thresholds tuned for it.

    * *not reproduced*: the whole interval lies below zero and the mean fall is at least `MATTERS`;
    * *reproduced* (*partly* while named rivals were not run): the whole interval lies above
      ``-MATTERS``, so a loss that matters is excluded;
    * *partly*: in between; the interval excludes neither.
    """
    row = _best(tables, "f_d", "f_d", "best")
    if row is None:
        return _nothing("data consistency")
    if row["high"] < 0 and row["difference"] <= -MATTERS:
        verdict = "not reproduced"
    elif row["low"] > -MATTERS:
        verdict = _capped(True, tables)
    else:
        verdict = "partly"
    spare = (
        f"a loss of {MATTERS} is excluded"
        if row["low"] > -MATTERS
        else f"a loss of {MATTERS} is not excluded"
    )
    return _finding(row, verdict, f"to {_name(tables, row)}; {spare}; {_about(tables, edition)}")


def _best(tables: MainTables, objective: str, metric: str, column: str) -> pd.Series | None:
    """The difference of our output to the best rival on the headline split, all conditions."""
    table = tables.differences
    if table.empty:
        return None
    rows = table[
        (table["split"] == table["split"].iloc[0])
        & (table["objective"] == objective)
        & (table["metric"] == metric)
        & (table["subset"] == "all")
        & (table["method"] == INTEGRATED)
        & table[column].astype(bool)
    ]
    return rows.iloc[0] if len(rows) else None


def _capped(holds: bool, tables: MainTables) -> str:
    if not holds:
        return "not reproduced"
    return "partly" if _missing(tables) else "reproduced"


def _missing(tables: MainTables) -> list[str]:
    run = set(tables.methods["method"])
    return [name for name, method in NAMED.items() if method not in run]


def _copies(tables: MainTables) -> list[str]:
    scores = tables.scores
    here = scores[
        (scores["split"] == scores["split"].iloc[0])
        & (scores["objective"] == "balance")
        & (scores["copies_yardstick"] >= COPIES)
    ]
    return list(dict.fromkeys(here["method"]))


def _name(tables: MainTables, row: pd.Series) -> str:
    """The rival of a row, with its score."""
    scores = tables.scores
    here = scores[
        (scores["split"] == row["split"])
        & (scores["objective"] == row["objective"])
        & (scores["subset"] == row["subset"])
    ].set_index("method")
    rival = here.loc[row["rival"]]
    mark = ", a copy of the yardstick" if rival["copies_yardstick"] >= COPIES else ""
    return f"{row['rival']} ({rival[row['metric']]:.3f}{mark})"


def _about(tables: MainTables, edition: str) -> str:
    """What limits the comparison: rivals that are missing, simulated data."""
    missing = _missing(tables)
    parts = [f"not run here: {', '.join(missing)}"] if missing else []
    if edition == "demo":
        parts.append("responses are simulated from a network, which favours knowledge")
    parts.append("the best rival is picked on the same table, which favours it")
    return "; ".join(parts)


def _finding(row: pd.Series, verdict: str, text: str) -> Finding:
    low, high = float(row["low"]), float(row["high"])
    mean = float(row["difference"])
    reason = f"difference {signed_interval(mean, low, high)} {text}"
    return Finding("above every rival", mean, low, high, verdict, reason)


def _nothing(what: str) -> Finding:
    nan = float("nan")
    return Finding(
        "above every rival", nan, nan, nan, "not testable here",
        f"the tables compare no rival in {what} with thresholds tuned for it",
    )  # fmt: skip


#: The claims that the tables of the main comparison can judge.
CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C2 all rivals",
        "Balanced consistency is the highest (against all rivals, copies of the yardstick too)",
        MainTables,
        judge_balance(copies=True),
    ),
    Claim(
        "C2 without copies",
        "Balanced consistency is the highest (against rivals that do not copy the yardstick)",
        MainTables,
        judge_balance(copies=False),
    ),
    Claim("C3", "Knowledge consistency is clearly the highest", MainTables, judge_knowledge),
    Claim("C4", "Data consistency is not lower than the best rival's", MainTables, judge_data),
)
