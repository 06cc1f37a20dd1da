"""Claims of the paper, and what our tables say of each: verdicts are computed, never typed.

A verdict is *supported*, *contradicted*, *undecided*, *not testable* or *not run*. Every claim is
data (``companion.claims.paper``), and one evaluator (``companion.claims.rules``) holds the 95%
interval of its figures against what it asks:

* **higher**: above the band of 0.02 supported, at or below it contradicted;
* **not lower**: above -0.02 supported, below it contradicted;
* **equal**: within ±0.02 supported, wholly outside contradicted;
* **threshold**: no band, the interval against the threshold;

anything else is *undecided*. A claim of several parts takes the worst verdict of them. *Not
testable* is declared for a claim in an edition, where its figure is what it is by construction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from aligned._assets import asset
from companion.ablations.run import AblationTables
from companion.claims.paper import CLAIMS, published_ablations, published_noise, published_stages
from companion.claims.rules import (
    BAND,
    CONTRADICTED,
    FIRST,
    SUPPORTED,
    VERDICTS,
    Claim,
    Figure,
    Part,
    Pick,
    Published,
    judge,
    look_up,
    of_the_paper,
)
from companion.inconsistency.run import InconsistencyTables
from companion.loop.run import IterationTables
from companion.main_results.run import MainTables
from companion.noise.run import NoiseTables
from companion.pathways.run import PathwayTables
from companion.tables import load_tables

__all__ = [
    "ANALYSES",
    "BAND",
    "CLAIMS",
    "COLUMNS",
    "EDITIONS",
    "VERDICTS",
    "Claim",
    "Figure",
    "Part",
    "Pick",
    "Published",
    "change",
    "committed_card",
    "page_markdown",
    "paper_verdicts",
    "published_ablations",
    "published_noise",
    "published_stages",
    "scorecard",
]

#: Analyses whose tables judge claims: name of the notebook (and folder) -> kind of tables.
ANALYSES: dict[str, type] = {
    "01_inconsistency": InconsistencyTables,
    "02_main_results": MainTables,
    "03_ecoli_iterations": IterationTables,
    "04_refinement_noise": NoiseTables,
    "05_kegg_enrichment": PathwayTables,
    "06_ablations": AblationTables,
}

COLUMNS = [
    "claim", "statement", "published", "ours", "low", "high", "edition", "verdict", "reason",
]  # fmt: skip

#: Editions whose tables are committed, in the order of the page, and what they are.
EDITIONS = {
    "ecoli": "*E. coli*",
    "human_tf": "human factors",
    "human_unseen": "the same, TRRUST unseen",
    "yeast_tf": "yeast factors",
    "random": "random networks",
}


def scorecard(results: Mapping[str, Any] | str | Path, edition: str | None = None) -> pd.DataFrame:
    """Judge the claims that these tables can judge.

    Parameters
    ----------
    results : mapping or path
        Edition -> tables of an analysis, or a list of such tables; or the folder of one analysis
        (named as in `ANALYSES`).
    edition : str, optional
        Name of the edition where ``results`` is a folder; default the folder's parent.

    Returns
    -------
    DataFrame
        ``claim, statement, published, ours, low, high, edition, verdict, reason``; one row per
        claim and edition. ``published`` is the paper's figure and the verdict that it gets under
        the same rule, ``ours`` the figure that decides, with its 95% interval.

    Raises
    ------
    ValueError
        The folder is not named after an analysis.
    """
    if isinstance(results, str | Path):
        folder = Path(results)
        if folder.name not in ANALYSES:
            raise ValueError(
                f"{folder} is not named after an analysis, so it is not known what its tables are; "
                f"give a folder named {' or '.join(ANALYSES)}."
            )
        loaded: Any = load_tables(ANALYSES[folder.name], folder)[0]
        results = {edition or folder.parent.name: loaded}
    rows = [
        judge(claim, kind, name)
        for name, tables in results.items()
        for kind in (tables if isinstance(tables, Sequence) else [tables])
        for claim in CLAIMS
        if isinstance(kind, claim.tables)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def paper_verdicts() -> pd.DataFrame:
    """The paper's own figures under the same rules: ``claim, source, figures, verdict``.

    Examples
    --------
    >>> paper_verdicts().set_index("claim").loc["C14", "verdict"]
    'contradicted'
    """
    return of_the_paper(CLAIMS)


def change(
    tables: IterationTables, start: str, end: str, metric: str, score: str, yardstick: str
) -> Figure:
    """A paired change on the headline split: ``mean, low, high``.

    Raises
    ------
    ValueError
        The tables do not hold it.
    """
    where = {"split": FIRST, "from": start, "to": end, "metric": metric, "score": score}
    found = look_up(tables, Pick("changes", {**where, "yardstick": yardstick}))
    if found is None:
        raise ValueError(
            f"the tables hold no change of {metric} from {start} to {end} ({score}, {yardstick}); "
            "run the analysis with the schedule A-R-A-R."
        )
    return found


# -------------------------------------------------------------------------------------- the page


def committed_card() -> pd.DataFrame:
    """The scorecard of all tables under ``results/``, claims in the paper's order.

    Returns
    -------
    DataFrame
        Columns of `scorecard`.
    """
    folders = [
        asset("results") / edition / analysis for edition in EDITIONS for analysis in ANALYSES
    ]
    cards = [scorecard(folder) for folder in folders if (folder / "run.json").is_file()]
    card = pd.concat(cards, ignore_index=True)
    order = card["claim"].map(_number)
    return card.assign(order=order).sort_values("order", kind="stable", ignore_index=True)[COLUMNS]


def _number(claim: str) -> int:
    """``"C7 neural"`` -> 7."""
    found = re.match(r"C(\d+)", claim)
    if found is None:
        raise ValueError(f"{claim!r} is no claim; claims are named C1, C2, ….")
    return int(found[1])


def page_markdown(card: pd.DataFrame) -> str:
    """Markdown of the page: the verdicts at a glance, then every claim with figures and reasons.

    Parameters
    ----------
    card : DataFrame
        As `committed_card` returns it.
    """
    editions = [e for e in EDITIONS if e in set(card["edition"])]
    counts = [
        f"{EDITIONS[e]}: {_counts(card.loc[card['edition'] == e, 'verdict'])}" for e in editions
    ]
    decided = int(card["verdict"].isin([SUPPORTED, CONTRADICTED]).sum())
    lines = [
        f"Verdicts so far. {'; '.join(counts)}.",
        "",
        f"{len(card)} verdicts are given at once, {decided} of them *supported* or "
        "*contradicted*. A 95% interval misses on the side that decides in at most 2.5% of cases, "
        f"so about {0.025 * decided:.1f} of these {decided} may be wrong by chance alone; nothing "
        "else corrects for their number. The paper's own figures, which have no interval, get "
        f"from the same rules: {_counts(paper_verdicts()['verdict'])}.",
        "",
        f"| | the paper says | {' | '.join(EDITIONS[e] for e in editions)} |",
        f"| --- | --- | {' | '.join('---' for _ in editions)} |",
    ]
    claims = card.drop_duplicates("claim")[["claim", "statement"]]
    for claim, statement in claims.itertuples(index=False, name=None):
        here = card[card["claim"] == claim].set_index("edition")["verdict"]
        cells = [f"**{here[e]}**" if e in here.index else "" for e in editions]
        lines.append(f"| {claim.split()[0]} | {statement} | {' | '.join(cells)} |")
    for claim, statement in claims.itertuples(index=False, name=None):
        lines += ["", f"## {claim}: {statement}", ""]
        for row in card[card["claim"] == claim].itertuples():
            figure = _figure(row.ours, row.low, row.high)
            lines += [
                f"**{EDITIONS[str(row.edition)]}: {row.verdict}.** Published: {row.published}. "
                f"Here: {figure}. {str(row.reason)[0].upper()}{str(row.reason)[1:]}.",
                "",
            ]
    return "\n".join(lines)


def _counts(verdicts: pd.Series) -> str:
    found = verdicts.value_counts()
    return ", ".join(f"{found[name]} {name}" for name in VERDICTS if name in found)


def _figure(ours: object, low: object, high: object) -> str:
    if pd.isna(ours):
        return "no figure"
    if pd.isna(low) or pd.isna(high):
        return f"{ours:.3f}"
    return f"{ours:.3f} [{low:.3f}, {high:.3f}]"
