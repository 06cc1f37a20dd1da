"""The hidden-edge test as a reader sees it: every number comes from its tables."""

from __future__ import annotations

import pandas as pd

from aligned.experiments.hidden import HiddenTables

__all__ = ["edit_table", "precision_rows", "summary_table", "support_table"]

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
    """Rows for `aligned.plotting.plot_average_precision`, for one way of hiding."""
    rows = tables.summary[tables.summary["hiding"] == hiding]
    return rows.assign(label=rows["method"], group=rows["kind"].map(KINDS))


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
