"""The hidden-edge test as a reader sees it: every number comes from its tables."""

from __future__ import annotations

import pandas as pd

from companion.hidden.ranking import POSTERIOR
from companion.hidden.run import ABOVE, SAME, TOP, HiddenTables
from companion.literal import worded
from companion.statistics import plain_interval

__all__ = [
    "edit_table",
    "headline",
    "hidden_answer",
    "precision_rows",
    "summary_table",
    "support_table",
]

#: Kinds of ranking, as figures name them.
KINDS = {
    "line": "line",
    "neighbours": "genome neighbours",
    "part": "part of the log-odds",
    "posterior": "learned log-odds",
    "null": "null: responses dealt anew",
    "refinement": "refinement's relaxed weights",
}


def precision_rows(tables: HiddenTables, hiding: str) -> pd.DataFrame:
    """Rows for `companion.plot.plot_average_precision`, for one way of hiding."""
    rows = tables.summary[tables.summary["hiding"] == hiding]
    labels = rows["method"].replace(POSTERIOR, KINDS["posterior"])
    return rows.assign(label=labels, group=rows["kind"].map(KINDS))


def summary_table(tables: HiddenTables) -> pd.DataFrame:
    """All rankings, edges hidden in runs: average precision and what stands beside it."""
    rows = tables.summary[tables.summary["hiding"] == tables.summary["hiding"].iloc[0]]
    found = [plain_interval(*row) for row in rows[["ap", "low", "high"]].to_numpy()]
    return worded(
        rows.assign(found=found),
        {
            "method": ("ranking", ""),
            "what": ("what it is", ""),
            "found": ("average precision", ""),
            "precision": ("precision", "{:.3f}"),
            "recall_top": ("recall in the top 1%", "{:.1%}"),
            "sign_accuracy": ("sign accuracy", "{:.0%}"),
            "seeds": ("hidings", ""),
        },
    )


def edit_table(tables: HiddenTables) -> pd.DataFrame:
    """Pairs added, and how many of them are hidden edges; sums over hidings."""
    table = tables.edits.groupby(["hiding", "edits"], as_index=False, sort=False).agg(
        hidings=("seed", "nunique"),
        added=("added", "sum"),
        hits=("hits", "sum"),
        expected=("expected", "sum"),
        recall=("recall", "mean"),
        sign=("sign_accuracy", "mean"),
    )
    return worded(
        table.assign(precision=table["hits"] / table["added"]),
        {
            "edits": ("edits", ""),
            "hidings": ("hidings", ""),
            "added": ("pairs added", "{:,}"),
            "hits": ("hidden edges among them", ""),
            "expected": ("by chance", "{:.1f}"),
            "precision": ("precision", "{:.3f}"),
            "recall": ("recall", "{:.1%}"),
            "sign": ("sign accuracy", "{:.0%}"),
        },
    )


def support_table(tables: HiddenTables) -> pd.DataFrame:
    """Nothing hidden: edges that only the other network has, against chance."""
    return worded(
        tables.support,
        {
            "method": ("ranking", ""),
            "ap": ("average precision", "{:.4f}"),
            "prevalence": ("a random ranking", "{:.4f}"),
            "top": ("pairs at the top", "{:,}"),
            "hits": ("in the other network", ""),
            "expected": ("by chance", "{:.1f}"),
            "p_value": ("p (hypergeometric)", "{:.2g}"),
        },
    )


def headline(tables: HiddenTables) -> str:
    """How well hidden edges are found, against the best line (Markdown)."""
    table, steps = _headline_rows(tables)
    line = steps.index[steps["best_line"].astype(bool)][0]
    return (
        f"Hidden edges are {100 * table['prevalence'].iloc[0]:.2g}% of the pairs ranked. The "
        "learned log-odds find them with an average precision of "
        f"**{_to(table.loc[POSTERIOR], 'ap')}**; the best line, {line}, has "
        f"{_to(table.loc[line], 'ap')}: a paired difference of {_step(steps.loc[line])}."
    )


def hidden_answer(tables: HiddenTables) -> str:
    """The answer in sentences (Markdown), every number from the tables."""
    table, steps = _headline_rows(tables)
    sentences = [
        headline(tables),
        f"The shape of the network alone reaches {table.loc['network', 'ap']:.3f}. The responses "
        f"add {_step(steps.loc['perturbations dealt'])} against own responses dealt among the "
        f"regulators and {_step(steps.loc['genes dealt'])} against all responses dealt among the "
        "genes.",
    ]
    other = tables.summary[tables.summary["hiding"] == "random"].set_index("method")
    if table["hiding"].iloc[0] != "random" and len(other):
        sentences.append(
            "Hidden one by one, edges are found from their genome neighbours alone "
            f"({other.loc['neighbours', 'ap']:.3f}; in whole runs "
            f"{table.loc['neighbours', 'ap']:.3f}), which says nothing about responses."
        )
    loop = tables.edits[~tables.edits["edits"].isin([ABOVE, SAME])]
    if len(loop):
        same = tables.edits[tables.edits["edits"] == SAME]
        sentences.append(
            f"{loop['edits'].iloc[0]} as it is: relaxed weights reach "
            f"{table.loc['relaxed, A-R-A-R', 'ap']:.3f}, and of {int(loop['added'].sum())} pairs "
            f"added in {len(loop)} fits {int(loop['hits'].sum())} are hidden edges "
            f"({loop['expected'].sum():.1f} by chance); as many from the top of the log-odds hold "
            f"{int(same['hits'].sum())}."
        )
    if len(tables.support):
        found = tables.support.set_index("method")
        top, alone = found.loc[POSTERIOR], found.loc["adjusted"]
        sentences.append(
            f"With nothing hidden, {int(top['in_other'])} of the pairs are edges of the other "
            f"network only; the top {100 * TOP:.2g}% of the log-odds holds {int(top['hits'])} of "
            f"them (p = {top['p_value']:.1g}), of the adjusted responses alone "
            f"{int(alone['hits'])} (p = {alone['p_value']:.1g}), by chance {top['expected']:.2g}."
        )
    return " ".join(sentences)


def _headline_rows(tables: HiddenTables) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rankings of the headline way of hiding, and the paired differences to the log-odds."""
    table, steps = (
        rows[rows["hiding"] == tables.summary["hiding"].iloc[0]]
        for rows in (tables.summary, tables.differences)
    )
    return table.set_index("method"), steps[steps["to"] == POSTERIOR].set_index("from")


def _to(row: pd.Series, name: str, form: str = ".3f") -> str:
    return f"{row[name]:{form}} ({row['low']:{form}} to {row['high']:{form}})"


def _step(row: pd.Series) -> str:
    return _to(row, "difference", "+.3f")
