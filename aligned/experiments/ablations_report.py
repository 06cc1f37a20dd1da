"""Ablations and estimators as a reader sees them: tables and sentences, numbers from the tables."""

from __future__ import annotations

import pandas as pd

from aligned.experiments.ablations import FULL, VARIANTS, AblationTables
from aligned.experiments.estimators import CLOSE, EstimatorTables
from aligned.experiments.iterations import IterationTables
from aligned.experiments.statistics import METRICS, signed_interval

__all__ = [
    "answer",
    "change_rows",
    "change_table",
    "estimator_sentence",
    "estimator_table",
    "score_table",
    "trust_rows",
    "trust_sentence",
    "yardstick_table",
]

#: Whose choice, in the words of the trust table, and how the page calls it.
SIDES = {
    "right: chosen side": "the adapter's choice",
    "right: always the network": "always the network",
    "right: always the symbols": "always the symbols",
    "right: a fair coin": "a fair coin",
    "right: an oracle": "an oracle",
}
USED, CLASH = "cells that use symbols", "cells that disagree"


def _share(row: pd.Series) -> str:
    if pd.isna(row["value"]):
        return "no such cell"
    return f"{row['value']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"


def _quantity(tables: AblationTables, variant: str, quantity: str) -> pd.Series:
    table = tables.trust
    return table[(table["variant"] == variant) & (table["quantity"] == quantity)].iloc[0]


def trust_rows(tables: AblationTables, variants: list[str]) -> pd.DataFrame:
    """Rows for `aligned.plotting.plot_trust`: ``variant, side, value, low, high``."""
    table = tables.trust[
        tables.trust["variant"].isin(variants) & tables.trust["quantity"].isin(SIDES)
    ]
    order = {v: i for i, v in enumerate(variants)}
    table = table.assign(side=table["quantity"].map(SIDES), place=table["variant"].map(order))
    return table.sort_values("place", kind="stable", ignore_index=True)


def trust_sentence(tables: AblationTables) -> str:
    """Who was right where network and symbols disagree, for the method as it is (Markdown)."""
    said = {name: _share(_quantity(tables, FULL, quantity)) for quantity, name in SIDES.items()}
    gain = _quantity(tables, FULL, "chosen side - coin")
    clash = _quantity(tables, FULL, CLASH)
    if pd.isna(gain["value"]):
        return "Network and symbols never disagree here, so there is nothing to choose."
    verdict = "no better and no worse than a coin"
    if gain["low"] > 0:
        verdict = "better than a coin"
    elif gain["high"] < 0:
        verdict = "worse than a coin"
    mine, network, symbols, coin, oracle = said.values()
    return (
        f"Network and symbols disagree, and there is a choice, in {_share(clash)} of the held-out "
        f"cells. There the side that the adapter chose agrees with the measurement in **{mine}**; "
        f"always taking the network would in {network}, always the symbols in {symbols}, a coin in "
        f"{coin}, an oracle in {oracle}. The choice is **{verdict}** "
        f"({signed_interval(gain['value'], gain['low'], gain['high'])})."
    )


def change_rows(
    tables: AblationTables, metric: str, score: str = "integrated", against: str | None = None
) -> pd.DataFrame:
    """Rows for `aligned.plotting.plot_changes`: each variant minus what it is compared with."""
    table = tables.changes
    table = table[(table["metric"] == metric) & (table["score"] == score)]
    table = (
        table[table["against"] != "network"]
        if against is None
        else table[table["against"] == against]
    )
    order = {v: i for i, v in enumerate(VARIANTS)}
    table = table.assign(place=table["variant"].map(order)).sort_values("place")
    return table.assign(label=table["variant"]).reset_index(drop=True)


def change_table(tables: AblationTables, score: str = "integrated") -> pd.DataFrame:
    """Every variant: what is different, and the paired change of each score after alignment."""
    rows = []
    table = tables.changes[tables.changes["score"] == score]
    for (variant, against), group in table.groupby(["variant", "against"], sort=False):
        by = group.set_index("metric")
        used = _quantity(tables, str(variant), USED)
        rows.append(
            {
                "part": VARIANTS[str(variant)].group,
                "variant": variant,
                "what is different": VARIANTS[str(variant)].description,
                "against": "the network alone" if against == "network" else against,
                **{
                    what: signed_interval(*by.loc[metric, ["difference", "low", "high"]])
                    for metric, what in METRICS.items()
                },
                "cells that use symbols": f"{used['value']:.1%}",
            }
        )
    return pd.DataFrame(rows)


def score_table(tables: AblationTables, groups: list[str]) -> pd.DataFrame:
    """Scores after alignment of the variants in these groups and of the full method."""
    table = tables.scores
    keep = table["group"].isin(groups) | (table["variant"] == FULL)
    table = table[keep & (table["stage"] == "A")]
    return pd.DataFrame(
        {
            "variant": table["variant"],
            "prediction": table["score"],
            **{
                what: [
                    f"{r[m]:.3f} [{r[f'{m}_low']:.2f}, {r[f'{m}_high']:.2f}]"
                    for _, r in table.iterrows()
                ]
                for m, what in METRICS.items()
            },
        }
    ).reset_index(drop=True)


# ------------------------------------------------------------------------------- the estimators


def _form(speak_only: object) -> str:
    return "where symbols speak" if bool(speak_only) else "anywhere (the paper's form)"


def estimator_table(tables: EstimatorTables) -> pd.DataFrame:
    """One row per form, number of genes and estimator; mean and range over seeds."""
    rows = []
    keys = ["speak_only", "n_genes", "estimator"]
    for (speaks, genes, estimator), group in tables.finals.groupby(keys, sort=False):
        arrived = group["steps"].notna()
        rows.append(
            {
                "symbols may be used": _form(speaks),
                "genes": f"{genes:,}",
                "estimator": estimator,
                "regret at the start": _range(group["start"]),
                "regret at the end": _range(group["regret"]),
                f"runs within {CLOSE:.0%}": f"{int(arrived.sum())} of {len(group)}",
                "steps to it": _range(group.loc[arrived, "steps"], "{:.0f}"),
                "seconds to it": _range(group.loc[arrived, "seconds"], "{:.2f}"),
                "gradient noise": _range(group["noise"].dropna(), "{:.3g}"),
            }
        )
    return pd.DataFrame(rows)


def _range(values: pd.Series, form: str = "{:.3f}") -> str:
    if values.empty:
        return ""
    mean = form.format(values.mean())
    if len(values) == 1:
        return mean
    return f"{mean} ({form.format(values.min())} to {form.format(values.max())})"


def estimator_sentence(tables: EstimatorTables) -> str:
    """Where each estimator stands with all genes, and where REINFORCE breaks (Markdown)."""
    finals = tables.finals[tables.finals["speak_only"].astype(bool)]
    mean = finals.groupby(["estimator", "n_genes"])[["start", "regret"]].mean()
    largest = int(finals["n_genes"].max())
    ends = [
        f"`{name}` ends at **{mean.loc[(name, largest), 'regret']:.3f}**"
        for name in dict.fromkeys(finals["estimator"])
    ]
    text = (
        f"With {largest:,} genes the normalised regret starts at "
        f"{finals.loc[finals['n_genes'] == largest, 'start'].mean():.3f}; {', '.join(ends)}."
    )
    if "reinforce" in mean.index.get_level_values(0):
        curve = mean.loc["reinforce"].sort_index()
        broken = curve.index[curve["regret"] > curve["start"]]
        if len(broken):
            text += (
                f" From {int(broken.min()):,} genes on, `reinforce` ends further from the optimum "
                "than it started: one reward for all genes says ever less about each of them."
            )
        else:
            text += " At no size tried does `reinforce` end further away than it started."
    return text


def yardstick_table(loop: IterationTables) -> pd.DataFrame:
    """Knowledge consistency of the loop's stages against each yardstick, headline split."""
    table = loop.scores
    keep = (table["split"] == table["split"].iloc[0]) & (table["subset"] == "all")
    keep &= table["stage"].isin(["network", "A", "A-R", "A-R-A-R"])
    names = {
        "original": "as given",
        "refined": "as refined by this very fit",
        "heldout": "with the edges that no fit saw",
    }
    table = table[keep & table["yardstick"].isin(names)]
    cells = [
        f"{r['f_k']:.3f} [{r['f_k_low']:.2f}, {r['f_k_high']:.2f}]" if pd.notna(r["f_k"]) else ""
        for _, r in table.iterrows()
    ]
    wide = table.assign(cell=cells).pivot_table(
        index=["score", "stage"], columns="yardstick", values="cell", aggfunc="first", sort=False
    )
    shown = [name for name in names if name in wide]
    return wide[shown].rename(columns=names).reset_index().rename_axis(columns=None)


def answer(tables: AblationTables, estimators: EstimatorTables | None) -> str:
    """The chapter in a few sentences, every number from the tables (Markdown)."""
    rows = change_rows(tables, "balanced")
    rows = rows[rows["against"] == FULL]
    worse = rows[rows["high"] < 0].sort_values("difference")
    better = rows[rows["low"] > 0]
    nothing = len(rows) - len(worse) - len(better)
    text = [trust_sentence(tables)]
    listed = ", ".join(
        f"*{r.variant}* ({signed_interval(r.difference, r.low, r.high)})"
        for r in worse.head(5).itertuples()
    )
    text.append(
        f"Of {len(rows)} variants, {len(worse)} certainly have less balanced consistency than the "
        f"full method{': ' + listed if listed else ''}; {len(better)} certainly more; for "
        f"{nothing} the interval decides nothing."
    )
    if estimators is not None:
        text.append(estimator_sentence(estimators))
    return "\n\n".join(text)
