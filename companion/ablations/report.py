"""Ablations, trust and estimators as a reader sees them: every number from the tables."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from companion.ablations.estimators import CLOSE, EstimatorTables
from companion.ablations.reliability import REASONS, RULES, ReliabilityTables
from companion.ablations.run import FULL, PAPER_FORM, VARIANTS, AblationTables
from companion.loop.report import cell
from companion.loop.run import IterationTables
from companion.statistics import METRICS, signed_interval

__all__ = [
    "answer",
    "change_rows",
    "choice_rows",
    "estimator_rows",
    "estimator_sentence",
    "random_rows",
    "ranking_rows",
    "right_rows",
    "trust_sentence",
    "variant_rows",
    "yardstick_rows",
]

FORMS = {True: "symbols where they speak", False: "symbols anywhere (the paper's form)"}
YARDSTICKS = {
    "original": "the network as given",
    "refined": "the network after its own edits",
    "heldout": "edges hidden from the method",
}


def variant_rows(tables: AblationTables, groups: Sequence[str] = ()) -> pd.DataFrame:
    """Scores of every variant after alignment, both predictions; some groups, or all."""
    scores = tables.scores[tables.scores["stage"] == "A"].set_index(["variant", "score"])
    rows = []
    for variant in dict.fromkeys(tables.scores["variant"]):
        first = scores.loc[variant].iloc[0]
        if groups and first["group"] not in groups:
            continue
        row = {"variant": variant, "what is different": first["description"]}
        for score in ("neural", "integrated"):
            here = scores.loc[(variant, score)]
            row |= {
                f"{score} F_d": cell(here, "f_d"),
                f"{score} F_k": cell(here, "f_k"),
                f"{score} balanced": cell(here, "balanced"),
            }
        row["cells with symbols"] = _percent(_trust(tables, variant, "cells that use symbols"))
        rows.append(row)
    return pd.DataFrame(rows)


def change_rows(tables: AblationTables, metric: str) -> pd.DataFrame:
    """Paired changes for `companion.plot.plot_parts`, in the order of `VARIANTS`.

    Columns ``variant, group, label, score, difference, low, high``; a star marks what is compared
    with the paper's form and not with the defaults.
    """
    table = tables.changes
    table = table[(table["metric"] == metric) & (table["against"] != "network")]
    order = {name: i for i, name in enumerate(VARIANTS)}
    table = table.sort_values("variant", key=lambda names: names.map(order), kind="stable")
    marks = table["against"].map({PAPER_FORM: " *"}).fillna("")
    return table.assign(label=table["variant"] + marks).reset_index(drop=True)


def right_rows(tables: ReliabilityTables, cells: str, variant: str = FULL) -> pd.DataFrame:
    """How often each way to choose is right, for `companion.plot.plot_rules`."""
    table = tables.right
    table = table[(table["cells"] == cells) & (table["variant"] == variant)]
    return table.set_index("rule").loc[list(RULES)].reset_index()


def ranking_rows(tables: ReliabilityTables) -> pd.DataFrame:
    """What ranks cells by who is right: the area under the ROC curve, with intervals."""
    return pd.DataFrame(
        {
            "variant": tables.ranking["variant"],
            "reason to trust the symbols": tables.ranking["reason"],
            "what it is": tables.ranking["reason"].map(REASONS),
            "AUROC": [_plain(r, "auroc") for _, r in tables.ranking.iterrows()],
        }
    )


def choice_rows(tables: AblationTables) -> pd.DataFrame:
    """The chosen side against a coin, variant by variant, most often right first."""
    rows = []
    for variant in dict.fromkeys(tables.trust["variant"]):
        chosen = _trust(tables, variant, "right: chosen side")
        coin = _trust(tables, variant, "chosen side - coin")
        shares = ("always the network", "always the symbols", "an oracle")
        rows.append(
            {
                "variant": variant,
                "cells that disagree": _percent(_trust(tables, variant, "cells that disagree")),
                "chosen side right": _percent(chosen),
                **{s: _percent(_trust(tables, variant, f"right: {s}")) for s in shares},
                "chosen - coin": signed_interval(coin["value"], coin["low"], coin["high"]),
                "order": chosen["value"],
            }
        )
    table = pd.DataFrame(rows).sort_values("order", ascending=False, ignore_index=True)
    return table.drop(columns="order")


def random_rows(tables: AblationTables) -> pd.DataFrame:
    """The random network against the true one, and against the network without any symbols."""
    table = tables.changes[tables.changes["variant"] == "random network"]
    rows = []
    for against, name in ((FULL, "the true network"), ("network", "no symbols at all")):
        for score in ("neural", "integrated"):
            here = table[(table["against"] == against) & (table["score"] == score)]
            if len(here):
                by = here.set_index("metric")
                rows.append(
                    {
                        "random network against": name,
                        "prediction": score,
                        **{METRICS[m]: _signed(by.loc[m]) for m in METRICS},
                    }
                )
    return pd.DataFrame(rows)


def estimator_rows(tables: EstimatorTables) -> pd.DataFrame:
    """Regret, steps and seconds to a regret of `CLOSE`, and the noise of the gradient."""
    rows = []
    keys = ["speak_only", "n_genes", "estimator"]
    for (form, n_genes, estimator), runs in tables.finals.groupby(keys, sort=False):
        arrived = runs["steps"].notna()
        rows.append(
            {
                "symbols": FORMS[bool(form)],
                "genes": f"{n_genes:,}",
                "estimator": estimator,
                "regret at the start": _range(runs["start"]),
                "at the end": _range(runs["regret"]),
                f"seeds that reach {CLOSE:.0%}": f"{arrived.sum()} of {len(runs)}",
                "steps to it": f"{runs['steps'].median():,.0f}" if arrived.any() else "never",
                "seconds": f"{runs['seconds'].median():.2f}" if arrived.any() else "",
                "gradient's variance / mean²": _noise(runs["noise"]),
            }
        )
    return pd.DataFrame(rows)


def estimator_sentence(tables: EstimatorTables) -> str:
    """How far each estimator gets, with few genes and with all (Markdown)."""
    finals, texts = tables.finals, []
    few, many = finals["n_genes"].min(), finals["n_genes"].max()
    for form, runs in finals.groupby("speak_only", sort=False):
        at = runs.groupby(["estimator", "n_genes"])["regret"].mean()
        texts.append(
            f"*{FORMS[bool(form)]}*: `local` ends at a regret of {at['local', few]:.1%} with "
            f"{few:,} genes and {at['local', many]:.1%} with {many:,}, `reinforce` at "
            f"{at['reinforce', few]:.1%} and {at['reinforce', many]:.1%}"
        )
    return (
        f"{'; '.join(texts)} (means of {finals['seed'].nunique()} seeds after "
        f"{tables.curves['step'].max()} steps; 0 is the optimum, 100% is never using a symbol)."
    )


def yardstick_rows(tables: IterationTables, split: str) -> pd.DataFrame:
    """Knowledge consistency of the same predictions against each yardstick there is."""
    table = tables.scores
    table = table[
        (table["split"] == split)
        & (table["subset"] == "all")
        & (table["method"] == "ALIGNED")
        & table["stage"].isin(["network", "A", "A-A", "A-R-A", "A-R-A-R"])
    ]
    rows = []
    for (score, stage), here in table.groupby(["score", "stage"], sort=False):
        by = here.set_index("yardstick")
        row = {"prediction": score, "stage": stage, "edits": f"{by['n_edits'].iloc[0]:,.0f}"}
        for yardstick, name in YARDSTICKS.items():
            row[name] = cell(by.loc[yardstick], "f_k") if yardstick in by.index else "not run"
        rows.append(row)
    return pd.DataFrame(rows)


# ------------------------------------------------------------------------------------- sentences


def trust_sentence(tables: ReliabilityTables, variant: str = FULL) -> str:
    """Who is right where network and symbols disagree, and what tells (Markdown)."""
    parts = {c: right_rows(tables, c, variant).set_index("rule") for c in ("all", "changed")}
    ranking = tables.ranking[tables.ranking["variant"] == variant].set_index("reason")
    share = {
        c: {rule: _plain(row, "share") for rule, row in t.iterrows()} for c, t in parts.items()
    }
    every, changed = share["all"], share["changed"]
    auroc = {reason: _plain(row, "auroc") for reason, row in ranking.iterrows()}
    return (
        f"Per run network and symbols disagree in {parts['all']['n'].iloc[0]:,.0f} cells where the "
        f"symbols speak; in {parts['changed']['n'].iloc[0]:,.0f} of them the gene had changed. The "
        f"chosen side is right in a share of {every['chosen side']}, always the network in "
        f"{every['always the network']}, always the symbols in {every['always the symbols']}, a "
        f"coin in {every['a fair coin']}, an oracle in {every['an oracle']}. Where the gene had "
        f"changed: the chosen side {changed['chosen side']}, the network "
        f"{changed['always the network']}, the symbols {changed['always the symbols']}. Does "
        "anything tell where the symbols are right? The area under the ROC curve is "
        f"{auroc['adapter']} for the adapter, {auroc['weight']} for the weight w alone, "
        f"{auroc['doubt']} for the network's doubt (½ is a coin)."
    )


def answer(
    tables: AblationTables, reliability: ReliabilityTables, estimators: EstimatorTables
) -> str:
    """The analysis in a few sentences, every number from the tables (Markdown)."""
    parts = [f"- **Who is right?** {trust_sentence(reliability)}"]
    for score in ("neural", "integrated"):
        here = tables.changes[
            (tables.changes["metric"] == "balanced")
            & (tables.changes["against"] == FULL)
            & (tables.changes["score"] == score)
        ]
        certain = here[here["high"] < 0].sort_values("difference")
        worst = "; ".join(f"*{r['variant']}* {_signed(r)}" for _, r in certain.head(4).iterrows())
        parts.append(
            f"- **What each part brings, {score} prediction.** Of {len(here)} changes to the "
            f"method, {len(certain)} certainly lower its balance and {(here['low'] > 0).sum()} "
            f"certainly raise it{f'. Most: {worst}' if worst else ''}."
        )
    parts.append(f"- **Learning to choose.** {estimator_sentence(estimators)}")
    return "\n".join(parts)


# ------------------------------------------------------------------------------------- numbers


def _trust(tables: AblationTables, variant: str, quantity: str) -> pd.Series:
    table = tables.trust
    return table[(table["variant"] == variant) & (table["quantity"] == quantity)].iloc[0]


def _percent(row: pd.Series) -> str:
    if pd.isna(row["value"]):
        return ""
    return f"{row['value']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"


def _plain(row: pd.Series, name: str) -> str:
    return f"{row[name]:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def _signed(row: pd.Series) -> str:
    return signed_interval(row["difference"], row["low"], row["high"])


def _range(values: pd.Series) -> str:
    known = values.dropna()
    if known.empty:
        return "nothing to choose"
    return f"{known.mean():.1%} ({known.min():.1%} to {known.max():.1%})"


def _noise(values: pd.Series) -> str:
    known = values.dropna()
    if known.empty:
        return "the mean is lost in it"
    lost = f", lost in {values.isna().sum()} of {len(values)}" if values.isna().any() else ""
    return f"{known.median():,.0f}{lost}"
