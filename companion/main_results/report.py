"""The main comparison as a reader sees it: tables and sentences, every number from the tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from companion.main_results.run import MainTables
from companion.main_results.tables import (
    CLEANED,
    COPIES,
    ELSE_NETWORK,
    INTEGRATED,
    MEASURES,
    NETWORK,
    NEURAL,
    OURS,
    PERFECT,
)
from companion.statistics import signed_interval

__all__ = [
    "GOALS",
    "IDEAS",
    "MEAN_BASELINE",
    "adjusted_rows",
    "answer",
    "best_rows",
    "ceiling_rows",
    "ceiling_sentence",
    "bound_sentence",
    "forest_rows",
    "goal_rows",
    "idea_rows",
    "map_rows",
    "method_rows",
    "radar_rows",
    "result_rows",
    "split_names",
    "subset_rows",
    "summary_markdown",
    "tool_rows",
    "tool_sentences",
    "tool_settings",
]

#: The baseline that stands for "the mean" in normalised scores: per-gene frequencies, tuned.
MEAN_BASELINE = "class frequencies"

#: Goals set before the run on real knock-outs: split -> score -> value.
GOALS = {
    "control_safe": {"f_d": 0.42},
    "perturbation": {"f_d": 0.45, "balanced": 0.54},
}

#: What could make an unseen knock-out less of a stranger, and the method that tries it.
IDEAS = {
    "learn from other knock-outs alone": NETWORK,
    "and from pseudo-labels that know the network of knowledge": NEURAL,
    "choose between network and symbols, gene by gene": INTEGRATED,
    "always believe a direct edge, else the network": ELSE_NETWORK,
    "always believe a direct edge, else frequencies": "direct edges, else frequencies",
    "longer paths, majority rule": "KB only",
    "borrow from the perturbations most alike in the network": "nearest neighbour",
    "edges, two-step paths, neighbours on the genome as features, linear": (
        "logistic on network features"
    ),
    "the same features, boosted trees": "boosted trees on network features",
    "low-rank perturbation and gene factors": "bilinear ridge",
}

SPLITS = {
    "control_safe": "new knock-outs, new controls (headline)",
    "perturbation": "new knock-outs",
    "condition": "new conditions of known knock-outs",
}
HEADS = {
    "f_d": "F_d",
    "f_k": "F_k",
    "balanced": "balanced",
    "overlap": "overlap",
    "precision": "precision",
    "direction": "direction",
    "discrimination": "discrimination",
}


def split_names(tables: MainTables) -> dict[str, str]:
    """Splits in the tables and what they ask, the headline first."""
    return {split: SPLITS.get(split, split) for split in dict.fromkeys(tables.scores["split"])}


def rows_of(tables: MainTables, split: str, objective: str, subset: str = "all") -> pd.DataFrame:
    """Scores of one split, objective and subset."""
    scores = tables.scores
    return scores[
        (scores["split"] == split)
        & (scores["objective"] == objective)
        & (scores["subset"] == subset)
    ]


def named(row: pd.Series) -> str:
    """The method with what must be known of it: leakage, or a copy of the yardstick."""
    if row["kind"] == "leakage":
        return f"{row['method']} (leakage, not a rival)"
    if row["kind"] == "bound":
        return f"{row['method']} (sees the answers, not a rival)"
    if row["copies_yardstick"] >= COPIES:
        return f"{row['method']} (copies the yardstick)"
    return str(row["method"])


def _cell(row: pd.Series, metric: str) -> str:
    if pd.isna(row[metric]):
        return ""
    text = f"{row[metric]:.3f}"
    low, high = row[f"{metric}_low"], row[f"{metric}_high"]
    return text if pd.isna(low) else f"{text} [{low:.2f}, {high:.2f}]"


def result_rows(
    tables: MainTables, split: str, objective: str, subset: str = "all"
) -> pd.DataFrame:
    """The paper's table of methods: all metrics with 95% intervals, highest balance first.

    The column ``normalised F_d`` is (method - mean baseline) / (ceiling - mean baseline); it is
    left out where the data set has no ceiling for these conditions.
    """
    here = rows_of(tables, split, objective, subset).sort_values("balanced", ascending=False)
    table = pd.DataFrame({"method": [named(r) for _, r in here.iterrows()]})
    for metric, head in HEADS.items():
        table[head] = [_cell(r, metric) for _, r in here.iterrows()]
    share = normalised(tables, split, objective, subset)
    if share is not None:
        table["normalised F_d"] = [f"{share[m]:.2f}" for m in here["method"]]
    return table


def normalised(
    tables: MainTables, split: str, objective: str, subset: str = "all", metric: str = "f_d"
) -> pd.Series | None:
    """(method - mean baseline) / (ceiling - mean baseline), by method; None without a ceiling.

    The ceiling counts only where it covers the conditions that the methods are scored on.
    """
    here = rows_of(tables, split, objective, subset).set_index("method")
    top = _ceiling(tables, split, subset, metric)
    if top is None or MEAN_BASELINE not in here.index or here.empty:
        return None
    if int(top["n_conditions"]) < 0.8 * int(here["n_conditions"].iloc[0]):
        return None
    bottom = float(here.loc[MEAN_BASELINE, metric])
    return (here[metric] - bottom) / (float(top["value"]) - bottom)


def _ceiling(tables: MainTables, split: str, subset: str, metric: str) -> pd.Series | None:
    table = tables.ceiling
    if table.empty:
        return None
    row = table[
        (table["split"] == split) & (table["subset"] == subset) & (table["metric"] == metric)
    ]
    return row.iloc[0] if len(row) else None


def ceiling_rows(tables: MainTables) -> pd.DataFrame:
    """The ceiling per split: a second run of the same experiments, scored as a prediction."""
    table = tables.ceiling[tables.ceiling["subset"].isin(["all", "measured only"])]
    rows = [
        {
            "split": SPLITS.get(str(r["split"]), r["split"]),
            "conditions": r["subset"],
            "with replicates": int(r["n_conditions"]),
            "metric": MEASURES[str(r["metric"])],
            "second run": f"{r['value']:.3f} [{r['low']:.2f}, {r['high']:.2f}]",
        }
        for _, r in table.iterrows()
        if r["metric"] in ("f_d", "overlap", "precision")
    ]
    columns = ["split", "conditions", "with replicates", "metric", "second run"]
    return pd.DataFrame(rows, columns=columns)


def ceiling_sentence(tables: MainTables) -> str:
    """How far all methods are from a second run of the same experiments (Markdown)."""
    split = next(iter(split_names(tables)))
    for subset in ("all", "measured only"):
        share = normalised(tables, split, "f_d", subset)
        if share is None:
            continue
        top = _ceiling(tables, split, subset, "f_d")
        assert top is not None
        here = rows_of(tables, split, "f_d", subset).set_index("method")
        rivals = here[here["kind"].isin(["rival", "trivial"])]
        best = str(rivals["f_d"].idxmax())
        where = "" if subset == "all" else " (measured conditions only)"
        return (
            f"A second run of the same experiments would score F_d {top['value']:.3f} "
            f"[{top['low']:.2f}, {top['high']:.2f}]{where}. Of the way there from the tuned class "
            f"frequencies, our integrated prediction goes {share[INTEGRATED]:.0%}, the best rival "
            f"(*{best}*) {share[best]:.0%}."
        )
    return "This data set has no replicates in this package, so there is no noise ceiling."


def bound_sentence(tables: MainTables) -> str:
    """What knowledge and choosing could bring at most, on the headline split (Markdown)."""
    split = next(iter(split_names(tables)))
    here = rows_of(tables, split, "f_d").set_index("method")
    bottom, top = here.loc[MEAN_BASELINE, "f_d"], here.loc[INTEGRATED, "f_d"]
    return (
        f"Strike out every wrong deduction, and call nothing else: F_d would be "
        f"**{_cell(here.loc[CLEANED], 'f_d')}**. Choose without error wherever symbols speak, and "
        f"keep our network elsewhere: **{_cell(here.loc[PERFECT], 'f_d')}**. Both look at the "
        f"answers; the method, which does not, has {top:.3f}, the tuned frequencies {bottom:.3f}."
    )


def goal_rows(tables: MainTables) -> pd.DataFrame:
    """Goals set beforehand, the best of our variants, and whether its interval reaches them."""
    rows = []
    for split, goals in GOALS.items():
        for metric, goal in goals.items():
            here = rows_of(tables, split, "f_d" if metric == "f_d" else "balance")
            here = here[here["kind"] == "ours"]
            if here.empty:
                continue
            best = here.loc[here[metric].idxmax()]
            reached = "yes" if best[metric] >= goal else "no"
            if reached == "no" and best[f"{metric}_high"] >= goal:
                reached = "no; the interval does not exclude it"
            rows.append(
                {
                    "split": SPLITS[split],
                    "score": HEADS[metric],
                    "goal": f"{goal:.2f}",
                    "our best": best["method"],
                    "value": _cell(best, metric),
                    "missing": f"{max(goal - best[metric], 0):.3f}",
                    "reached": reached,
                }
            )
    return pd.DataFrame(rows)


def idea_rows(tables: MainTables) -> pd.DataFrame:
    """What was tried to predict an unseen knock-out: F_d by split, thresholds tuned for it."""
    names = split_names(tables)
    per_split = {split: rows_of(tables, split, "f_d").set_index("method") for split in names}
    rows = [
        {"idea": idea, "method": method}
        | {
            f"F_d, {names[split]}": _cell(here.loc[method], "f_d")
            for split, here in per_split.items()
        }
        for idea, method in IDEAS.items()
        if all(method in here.index for here in per_split.values())
    ]
    return pd.DataFrame(rows)


def adjusted_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """F_d of what is trained on other responses than the measured calls, by split.

    Parameters
    ----------
    scores : DataFrame
        `companion.main_results.control_adjusted.AdjustedTables.scores`.
    """
    first = "as measured"
    rows = []
    for (split, method), group in scores.groupby(["split", "method"], sort=False):
        here = group.set_index("trained_on")
        changes = {
            f"{kind}, change": signed_interval(row["gain"], row["gain_low"], row["gain_high"])
            for kind, row in here.iterrows()
            if kind != first
        }
        row = here.loc[first].rename({"low": "f_d_low", "high": "f_d_high"})
        rows.append(
            {"asked for": SPLITS[split], "method": method, f"F_d, {first}": _cell(row, "f_d")}
            | changes
            | {"best": f"{here['f_d'].max():.3f}"}
        )
    return pd.DataFrame(rows)


def method_rows(tables: MainTables) -> pd.DataFrame:
    """Who takes part, and what each does."""
    return tables.methods.rename(columns={"description": "what it does"})


def map_rows(tables: MainTables, split: str, objective: str) -> pd.DataFrame:
    """Rows for `companion.plot.plot_map`: every honest method a point."""
    here = rows_of(tables, split, objective)
    here = here[~here["kind"].isin(["leakage", "bound"])].copy()
    score = {NETWORK: "neural", NEURAL: "neural", ELSE_NETWORK: "integrated"}
    here["score"] = [
        "integrated" if m == INTEGRATED else score.get(m, "prediction") for m in here["method"]
    ]
    here["label"] = [named(r) for _, r in here.iterrows()]
    return here


def radar_rows(tables: MainTables, split: str, objective: str) -> pd.DataFrame:
    """The methods worth a radar line: ours, and the best rival in each of the three scores."""
    here = rows_of(tables, split, objective)
    rivals = here[here["kind"].isin(["rival", "trivial"])]
    best = [str(rivals.loc[rivals[m].idxmax(), "method"]) for m in ("balanced", "f_d")]
    wanted = dict.fromkeys([INTEGRATED, NEURAL, *best, MEAN_BASELINE])
    rows = [here[here["method"] == name] for name in wanted]
    table = pd.concat([r for r in rows if len(r)])
    return table.assign(label=[named(r) for _, r in table.iterrows()])


def forest_rows(
    tables: MainTables, split: str, objective: str, metric: str, method: str = INTEGRATED
) -> pd.DataFrame:
    """Paired differences of one of our variants to every rival, the strongest rival on top."""
    table = tables.differences
    table = table[
        (table["split"] == split)
        & (table["objective"] == objective)
        & (table["subset"] == "all")
        & (table["metric"] == metric)
        & (table["method"] == method)
    ]
    names = {r["method"]: named(r) for _, r in rows_of(tables, split, objective).iterrows()}
    table = table.assign(label=[names[r] for r in table["rival"]])
    return table.sort_values("difference", ignore_index=True)


def best_rows(tables: MainTables, split: str, subset: str = "all") -> pd.DataFrame:
    """Our variants against the best rival of each score, with and without copies.

    The best rival is picked on the same table, which favours the rival.
    """
    table = tables.differences
    table = table[(table["split"] == split) & (table["subset"] == subset)]
    rows = []
    for (objective, metric), group in table.groupby(["objective", "metric"], sort=False):
        if metric not in ("f_d", "f_k", "balanced"):
            continue
        for kind, column in (("any", "best"), ("does not copy", "best_open")):
            chosen = group[group[column].astype(bool)]
            if chosen.empty or (kind != "any" and (group["best"] == group["best_open"]).all()):
                continue
            row = {
                "tuned for": objective,
                "score": HEADS[str(metric)],
                "best rival": chosen["rival"].iloc[0],
                "of rivals that": "take part" if kind == "any" else "do not copy the yardstick",
            }
            for name in OURS:
                mine = chosen[chosen["method"] == name].iloc[0]
                row[name] = signed_interval(mine["difference"], mine["low"], mine["high"])
            rows.append(row)
    return pd.DataFrame(rows)


def subset_rows(tables: MainTables, split: str, objective: str) -> pd.DataFrame:
    """Scores on conditions apart, for our output and the rivals that lead somewhere."""
    shown = set(radar_rows(tables, split, objective)["method"])
    scores = tables.scores
    here = scores[
        (scores["split"] == split)
        & (scores["objective"] == objective)
        & scores["method"].isin(shown)
    ]
    return pd.DataFrame(
        {
            "conditions": [f"{r['subset']} ({r['n_conditions']})" for _, r in here.iterrows()],
            "method": [named(r) for _, r in here.iterrows()],
            **{
                HEADS[m]: [_cell(r, m) for _, r in here.iterrows()]
                for m in ("f_d", "f_k", "balanced", "discrimination")
            },
        }
    )


def answer(tables: MainTables) -> str:
    """The comparison in a few sentences, every number from the tables (Markdown)."""
    parts = []
    for split, what in split_names(tables).items():
        texts = []
        for metric, objective in (("balanced", "balance"), ("f_k", "balance"), ("f_d", "f_d")):
            rows = forest_rows(tables, split, objective, metric)
            if rows.empty:
                continue
            here = rows_of(tables, split, objective).set_index("method")
            best = rows[rows["best"].astype(bool)].iloc[0]
            text = (
                f"{MEASURES[metric]} {_cell(here.loc[INTEGRATED], metric)} against "
                f"{_cell(here.loc[best['rival']], metric)} of *{best['label']}* "
                f"(difference {_signed(best)})"
            )
            other = rows[rows["best_open"].astype(bool)]
            if len(other) and not bool(other.iloc[0]["best"]):
                text += f", and {_signed(other.iloc[0])} to *{other.iloc[0]['label']}*"
            texts.append(text)
        parts.append(f"- **{what[0].upper()}{what[1:]}**: {'; '.join(texts)}.")
    opening = (
        "The integrated prediction against the best rival in each score (thresholds tuned for "
        "balance, for data consistency tuned for that):"
    )
    closing = ceiling_sentence(tables)
    return "\n".join([opening, "", *parts, "", closing])


def _signed(row: pd.Series) -> str:
    return signed_interval(row["difference"], row["low"], row["high"])


def tool_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """Tools that were trained apart, beside ours: ``results/<data>/rivals/scores.csv``.

    Parameters
    ----------
    scores : DataFrame
        ``method, objective, f_d, f_d_low, …, gain_f_d, …``; the gains are ours minus the method.
    """
    rows = []
    for method in dict.fromkeys(scores["method"]):
        by = scores[scores["method"] == method].set_index("objective")
        data, balance = by.loc["f_d"], by.loc["balance"]
        gains = {
            f"ours minus it, {head}": ""
            if method == INTEGRATED
            else signed_interval(row[name], row[f"{name}_low"], row[f"{name}_high"])
            for head, row, name in (
                ("F_d", data, "gain_f_d"),
                ("balanced", balance, "gain_balanced"),
            )
        }
        rows.append(
            {
                "method": method,
                "F_d, tuned for it": _cell(data, "f_d"),
                "balanced, tuned for it": _cell(balance, "balanced"),
                **gains,
            }
        )
    return pd.DataFrame(rows)


def tool_settings(record: Mapping[str, Any]) -> str:
    """How each tool was trained, a list item each; from ``results/<data>/rivals/run.json``."""
    lines = []
    for name, tool in record["parameters"]["tools"].items():
        settings = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in tool["settings"].items())
        lines.append(
            f"- *{name}*, {tool['tool']} {tool['version']}: {settings}; "
            f"{tool['seconds'] / 60:.0f} minutes for all folds"
        )
    return "\n".join(lines)


def tool_sentences(scores: pd.DataFrame) -> str:
    """Whom ours is clearly above, clearly below, or neither, in each score; a list item each.

    Clear means that the paired interval of `tool_rows` does not hold zero.
    """
    heads = {
        "F_d, tuned for it": ("f_d", "gain_f_d"),
        "balanced consistency, tuned for it": ("balance", "gain_balanced"),
        "F_d of what is tuned for balance": ("balance", "gain_f_d"),
    }
    lines = []
    for head, (objective, gain) in heads.items():
        here = scores[(scores["objective"] == objective) & (scores["method"] != INTEGRATED)]
        low, high = here[f"{gain}_low"], here[f"{gain}_high"]
        kinds = {
            "clearly above": low > 0,
            "clearly below": high < 0,
            "not clearly apart from": (low <= 0) & (high >= 0),
        }
        found = [
            f"{kind} {' and '.join(f'*{m}*' for m in here.loc[which, 'method'])}"
            for kind, which in kinds.items()
            if which.any()
        ]
        lines.append(f"- {head}: ours is {'; '.join(found)}")
    return "\n".join(lines)


def summary_markdown(tables: MainTables) -> str:
    """The comparison for a first screen: our output and the best rival, by split and score."""
    lines = [
        "| asked for | score | ALIGNED, integrated | best rival | difference |",
        "| --- | --- | --- | --- | --- |",
    ]
    for split, what in split_names(tables).items():
        for metric, objective in (("balanced", "balance"), ("f_d", "f_d")):
            rows = forest_rows(tables, split, objective, metric)
            best = rows[rows["best"].astype(bool)]
            if best.empty:
                continue
            here = rows_of(tables, split, objective).set_index("method")
            cells = [
                what,
                MEASURES[metric],
                _cell(here.loc[INTEGRATED], metric),
                f"{best.iloc[0]['label']}: {_cell(here.loc[best.iloc[0]['rival']], metric)}",
                _signed(best.iloc[0]),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
