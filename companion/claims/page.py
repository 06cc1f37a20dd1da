"""The scorecard as a page of the book: every committed verdict, with its figures and its reason."""

from __future__ import annotations

import re

import pandas as pd

from aligned._assets import asset
from companion.claims.card import ANALYSES, scorecard
from companion.claims.claims import VERDICTS

__all__ = ["EDITIONS", "committed_card", "page_markdown"]

#: Editions whose tables are committed, in the order of the page, and what they are.
EDITIONS = {
    "ecoli": "*E. coli*",
    "human_tf": "human factors",
    "human_unseen": "the same, TRRUST unseen",
    "random": "random networks",
}


def committed_card() -> pd.DataFrame:
    """The scorecard of all tables under ``results/``, claims in the paper's order.

    Returns
    -------
    DataFrame
        Columns of `companion.claims.scorecard`.
    """
    folders = [
        asset("results") / edition / analysis for edition in EDITIONS for analysis in ANALYSES
    ]
    cards = [scorecard(folder) for folder in folders if (folder / "run.json").is_file()]
    card = pd.concat(cards, ignore_index=True)
    order = card["claim"].map(_number)
    return card.assign(order=order).sort_values("order", kind="stable", ignore_index=True)[
        list(card.columns)
    ]


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
        f"{EDITIONS[edition]}: "
        + ", ".join(
            f"{n} {verdict}"
            for verdict in VERDICTS
            if (n := int(((card["edition"] == edition) & (card["verdict"] == verdict)).sum()))
        )
        for edition in editions
    ]
    lines = [f"Verdicts so far. {'; '.join(counts)}.", ""]
    lines += [
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


def _figure(ours: object, low: object, high: object) -> str:
    if pd.isna(ours):
        return "no figure"
    if pd.isna(low) or pd.isna(high):
        return f"{ours:.3f}"
    return f"{ours:.3f} [{low:.3f}, {high:.3f}]"
