"""Tables and sentences as a reader sees them: numbers come from result tables, never from hand."""

from __future__ import annotations

import pandas as pd

from companion.loop.run import STAGES, IterationTables
from companion.rivals import BASELINES
from companion.statistics import signed_interval

__all__ = [
    "answer",
    "change_rows",
    "edit_sentence",
    "map_rows",
    "replicates",
    "stage_table",
    "subset_table",
    "summary_markdown",
]

SPLIT_NAMES = {
    "control_safe": "control-safe split (headline)",
    "perturbation": "split by perturbation",
}


def cell(row: pd.Series, metric: str) -> str:
    """One score with its interval, as ``0.412 [0.38, 0.44]``."""
    if pd.isna(row[metric]):
        return ""
    return f"{row[metric]:.3f} [{row[f'{metric}_low']:.2f}, {row[f'{metric}_high']:.2f}]"


def stage_table(
    tables: IterationTables, split: str, published: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The paper's Table 1 for one split: stages and baselines by score and yardstick.

    Parameters
    ----------
    tables : IterationTables
    split : str
    published : DataFrame, optional
        The paper's figures (`companion.claims.published_stages`), set beside ours.

    Returns
    -------
    DataFrame of str
        Baselines first, then the stages. Columns: the scores with 95% intervals, and edits.
    """
    scores = tables.scores
    scores = scores[(scores["split"] == split) & (scores["subset"] == "all")]
    kind = {"prediction": 0, "neural": 1, "integrated": 2}
    rows = []
    for (method, stage, score), group in scores.groupby(["method", "stage", "score"], sort=False):
        by = group.set_index("yardstick")
        original = by.loc["original"]
        row = {
            "prediction": f"{stage}, {score}" if stage else method,
            "F_d": cell(original, "f_d"),
            "F_k original": cell(original, "f_k"),
            "balanced": cell(original, "balanced"),
        }
        if published is not None and len(published):
            theirs = published[(published["stage"] == stage) & (published["score"] == score)]
            row["paper F_d / F_k / balanced"] = (
                " / ".join(f"{theirs[m].iloc[0]:.3f}" for m in ("f_d", "f_k", "balanced"))
                if len(theirs)
                else ""
            )
        row |= {
            "edits": f"{original['n_edits']:,.0f}" if stage else "",
            "F_k refined": cell(by.loc["refined"], "f_k") if "refined" in by.index else "",
            "F_k held-out": cell(by.loc["heldout"], "f_k") if "heldout" in by.index else "",
            "F_k, reached cells": cell(by.loc["original, reached"], "f_k"),
        }
        if method in BASELINES and BASELINES[method].leakage:
            row["prediction"] = f"{method} (leakage, not a rival)"
        place = (kind[score], STAGES.index(stage) if stage else -1)
        rows.append((place, row))
    rows.sort(key=lambda item: item[0])
    return pd.DataFrame([row for _, row in rows])


def replicates(tables: IterationTables, split: str) -> str:
    """What the intervals of a split draw again, in a sentence (Markdown); empty if not known."""
    here = tables.scores[tables.scores["split"] == split].iloc[0]
    if "n_groups" not in here or pd.isna(here["n_groups"]):
        return ""
    few = (
        " With so few of such unequal size they are wide, and still rough."
        if (here["n_groups"] < 15)
        else ""
    )
    return (
        f"Intervals draw {here['n_seeds']:.0f} seeds and {here['n_groups']:.0f} groups of "
        f"conditions again, each what the split keeps together; the largest group holds "
        f"{here['largest_group']:.0f} conditions.{few}"
    )


def subset_table(tables: IterationTables, split: str) -> pd.DataFrame:
    """F_d and F_k on conditions apart: with and without a regulator, measured only."""
    scores = tables.scores
    keep = (scores["split"] == split) & (scores["yardstick"] == "original")
    stages = ["network", "A", "A-R-A-R"]
    frequencies = scores["method"].isin(["class frequencies", "direct edges, else frequencies"])
    rows = scores[keep & (scores["stage"].isin(stages) | frequencies)]
    return pd.DataFrame(
        {
            "conditions": rows["subset"],
            "method": rows["method"],
            "stage": rows["stage"],
            "prediction": rows["score"].replace("prediction", ""),
            "F_d": [cell(r, "f_d") for _, r in rows.iterrows()],
            "F_k original": [cell(r, "f_k") for _, r in rows.iterrows()],
        }
    ).sort_values(["conditions", "method", "prediction", "stage"], ignore_index=True)


def honest_baselines() -> list[str]:
    """Baselines that are rivals: all but the leakage line."""
    return [name for name, kind in BASELINES.items() if not kind.leakage]


def _headline(tables: IterationTables, split: str) -> pd.DataFrame:
    """Scores of one split on all conditions, against the original network."""
    scores = tables.scores
    return scores[
        (scores["split"] == split)
        & (scores["subset"] == "all")
        & (scores["yardstick"] == "original")
    ]


def map_rows(tables: IterationTables, split: str) -> pd.DataFrame:
    """Rows for `companion.plot.plot_map`: last stages and honest baselines."""
    here = _headline(tables, split)
    shown = here["stage"].isin(["network", "A", "A-A", "A-R-A-R"])
    rows = here[shown | here["method"].isin(honest_baselines())].copy()
    rows["label"] = [
        r["method"] if not r["stage"] else f"{r['stage']}, {r['score']}" for _, r in rows.iterrows()
    ]
    return rows


def change_rows(tables: IterationTables, split: str, metric: str, yardstick: str) -> pd.DataFrame:
    """Paired changes between stages for `companion.plot.plot_changes`."""
    table = tables.changes
    table = table[
        (table["split"] == split)
        & (table["metric"] == metric)
        & (table["yardstick"] == yardstick)
        & table["from"].isin(STAGES)
    ]
    return table.assign(label=[f"{a} → {b}" for a, b in zip(table["from"], table["to"])])  # noqa: B905


def _change_text(tables: IterationTables, split: str, start: str, end: str, **what: str) -> str:
    table = tables.changes
    keep = (table["split"] == split) & (table["from"] == start) & (table["to"] == end)
    for column, value in what.items():
        keep &= table[column] == value
    row = table[keep].iloc[0]
    return signed_interval(row["difference"], row["low"], row["high"])


def answer(tables: IterationTables, split: str) -> str:
    """The analysis in a few sentences, every number from the tables (Markdown)."""

    def step(start: str, end: str, metric: str, yardstick: str = "original") -> str:
        return _change_text(
            tables, split, start, end, metric=metric, score="neural", yardstick=yardstick
        )

    here, honest = _headline(tables, split), honest_baselines()
    rivals = here[here["method"].isin(honest)]
    best_d = rivals.loc[rivals["f_d"].idxmax()]
    best_b = rivals.loc[rivals["balanced"].idxmax()]
    final = here[(here["stage"] == "A-R-A-R") & (here["score"] == "integrated")].iloc[0]
    aligned_only = here[(here["stage"] == "A") & (here["score"] == "integrated")].iloc[0]
    edits = here.loc[here["stage"] == "A-R", "n_edits"].iloc[0]
    parts = [
        "**Alignment** changes the network's knowledge consistency by",
        f"{step('network', 'A', 'f_k')} against the original network of knowledge, and its data",
        f"consistency by {step('network', 'A', 'f_d')}.",
        f"**Refinement** ({edits:,.0f} edits per fit)",
        f"changes knowledge consistency by {step('A', 'A-R', 'f_k')} against the original network",
        f"and by {step('A', 'A-R', 'f_k', 'refined')} against the refined one. Going on to align",
        "after refining (A-R-A) differs from simply aligning twice (A-A) by",
        f"{step('A-A', 'A-R-A', 'f_k')} in knowledge and {step('A-A', 'A-R-A', 'f_d')} in data",
        "consistency. The integrated prediction has balanced consistency",
        f"{cell(aligned_only, 'balanced')} after A and {cell(final, 'balanced')} after A-R-A-R;",
        f"the best trivial baseline, *{best_b['method']}*, has {cell(best_b, 'balanced')}, and the",
        f"best in data consistency alone, *{best_d['method']}*, has F_d {cell(best_d, 'f_d')}",
        f"(integrated A-R-A-R: {cell(final, 'f_d')}).",
    ]
    table = tables.changes
    unseen = table[(table["split"] == split) & (table["yardstick"] == "heldout")]
    if {"A-A"} <= set(unseen["from"]):
        parts += [
            "On **edges hidden from the method** alignment changes the network's agreement by",
            f"{step('network', 'A', 'f_k', 'heldout')}, aligning a second time by",
            f"{step('A', 'A-A', 'f_k', 'heldout')}, and refining before that second time adds",
            f"{step('A-A', 'A-R-A', 'f_k', 'heldout')}.",
        ]
    return " ".join(parts)


def edit_sentence(tables: IterationTables) -> str:
    """How many edits there are, and whether another network knows the added ones (Markdown)."""
    if tables.support.empty:
        return "Refinement made no edit."
    by = tables.support.set_index("kind")
    text = (
        f"Over all fits of the headline split, refinement **added** {by.loc['added', 'pairs']:,} "
        f"different pairs, **dropped** {by.loc['dropped', 'pairs']:,} and **flipped** "
        f"{by.loc['flipped', 'pairs']:,}."
    )
    expected = by.loc["added", "expected"]
    if pd.isna(expected):
        return f"{text} There is no second network here to hold them against."
    return (
        f"{text} Of the added pairs, {by.loc['added', 'in_other']:,} stand in the *other* network "
        f"though not in the original one, {by.loc['added', 'same_sign']:,} of them with the same "
        f"sign. If every empty pair were as likely, chance would give {expected:.1f} "
        f"(hypergeometric p = {by.loc['added', 'p_value']:.2g}); dealt anew among the same "
        f"regulators and targets, {by.loc['added', 'expected_degrees']:.1f} "
        f"[{by.loc['added', 'degrees_low']:.1f}, {by.loc['added', 'degrees_high']:.1f}] "
        f"(p = {by.loc['added', 'p_degrees']:.3f}). The second is the fairer one: well-studied "
        "genes have many edges in any network."
    )


def summary_markdown(tables: IterationTables, verdicts: pd.DataFrame, split: str) -> str:
    """The analysis for a first screen: five rows, the interval of each score, the verdicts."""
    here, honest = _headline(tables, split), honest_baselines()
    rivals = here[here["method"].isin(honest)]
    best = rivals.loc[rivals["balanced"].idxmax()]

    def stage(name: str, score: str) -> pd.Series:
        return here[(here["stage"] == name) & (here["score"] == score)].iloc[0]

    copies = " (it copies the yardstick)" if best["f_k"] == 1 else ""
    shown = [
        (f"nothing trained: {best['method']}{copies}", best),
        ("network alone", stage("network", "neural")),
        ("network after alignment (A)", stage("A", "neural")),
        ("fused with symbols, after A", stage("A", "integrated")),
        ("fused with symbols, after A-R-A-R", stage("A-R-A-R", "integrated")),
    ]
    lines = [
        "| prediction | data consistency | knowledge consistency | balanced |",
        "| --- | --- | --- | --- |",
    ]
    for label, row in shown:
        cells = " | ".join(cell(row, metric) for metric in ("f_d", "f_k", "balanced"))
        lines.append(f"| {label} | {cells} |")
    lines += ["", "| what the paper says | verdict here |", "| --- | --- |"]
    for claim, statement, verdict in verdicts[["claim", "statement", "verdict"]].itertuples(
        index=False, name=None
    ):
        lines.append(f"| {claim.split()[0]}: {statement} | **{verdict}** |")
    return "\n".join(lines)
