"""The hidden-edge test as a reader sees it: every number comes from its tables."""

from __future__ import annotations

import pandas as pd

from companion.hidden.methods import POSTERIOR
from companion.hidden.run import ABOVE, SAME, TOP, HiddenTables

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
    return pd.DataFrame(
        {
            "ranking": rows["method"],
            "what it is": rows["what"],
            "average precision": [
                f"{r['ap']:.3f} [{r['low']:.3f}, {r['high']:.3f}]" for _, r in rows.iterrows()
            ],
            "precision": rows["precision"].map("{:.3f}".format),
            "recall in the top 1%": rows["recall_top"].map("{:.1%}".format),
            "sign accuracy": rows["sign_accuracy"].map("{:.0%}".format),
            "hidings": rows["seeds"],
        }
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
    return pd.DataFrame(
        {
            "edits": table["edits"],
            "hidings": table["hidings"],
            "pairs added": table["added"].map("{:,}".format),
            "hidden edges among them": table["hits"],
            "by chance": table["expected"].map("{:.1f}".format),
            "precision": [
                f"{h / a:.3f}" if a else ""
                for h, a in zip(table["hits"], table["added"], strict=True)
            ],
            "recall": table["recall"].map("{:.1%}".format),
            "sign accuracy": ["" if pd.isna(v) else f"{v:.0%}" for v in table["sign"]],
        }
    )


def support_table(tables: HiddenTables) -> pd.DataFrame:
    """Nothing hidden: edges that only the other network has, against chance."""
    rows = tables.support
    return pd.DataFrame(
        {
            "ranking": rows["method"],
            "average precision": rows["ap"].map("{:.4f}".format),
            "a random ranking": rows["prevalence"].map("{:.4f}".format),
            "pairs at the top": rows["top"].map("{:,}".format),
            "in the other network": rows["hits"],
            "by chance": rows["expected"].map("{:.1f}".format),
            "p (hypergeometric)": rows["p_value"].map("{:.2g}".format),
        }
    )


def _headline_rows(tables: HiddenTables) -> tuple[str, pd.DataFrame, pd.DataFrame]:
    """The headline way of hiding, its rankings, and the paired differences to the log-odds."""
    hiding = str(tables.summary["hiding"].iloc[0])
    table = tables.summary[tables.summary["hiding"] == hiding].set_index("method")
    steps = tables.differences[tables.differences["hiding"] == hiding]
    return hiding, table, steps[steps["to"] == POSTERIOR].set_index("from")


def headline(tables: HiddenTables) -> str:
    """How well hidden edges are found, against the best line (Markdown)."""
    _, table, to_posterior = _headline_rows(tables)
    line = str(to_posterior.index[to_posterior["best_line"].astype(bool)][0])
    return (
        f"Hidden edges are {_percent(table['prevalence'].iloc[0])} of the pairs ranked. The "
        "learned log-odds find them with an average precision of "
        f"**{_interval(table.loc[POSTERIOR])}**; the best line, {line}, has "
        f"{_interval(table.loc[line])}: a paired difference of {_step(to_posterior.loc[line])}."
    )


def hidden_answer(tables: HiddenTables) -> str:
    """The answer in sentences (Markdown), every number from the tables."""
    hiding, table, to_posterior = _headline_rows(tables)
    sentences = [
        headline(tables),
        f"The shape of the network alone reaches {table.loc['network', 'ap']:.3f}. The responses "
        f"add {_step(to_posterior.loc['perturbations dealt'])} against own responses dealt among "
        f"the regulators and {_step(to_posterior.loc['genes dealt'])} against all responses dealt "
        "among the genes.",
    ]
    other = tables.summary[tables.summary["hiding"] == "random"].set_index("method")
    if hiding != "random" and len(other):
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
            f"network only; the top {_percent(TOP)} of the log-odds holds {int(top['hits'])} of "
            f"them (p = {top['p_value']:.1g}), of the adjusted responses alone "
            f"{int(alone['hits'])} (p = {alone['p_value']:.1g}), by chance {top['expected']:.2g}."
        )
    return " ".join(sentences)


def _interval(row: pd.Series) -> str:
    return f"{row['ap']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def _step(row: pd.Series) -> str:
    return f"{row['difference']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%"
