"""The inconsistency analysis as a reader sees it: rows for figures and tables, and sentences."""

from __future__ import annotations

import pandas as pd

from companion.inconsistency.run import PATHS, SCOPES, InconsistencyTables
from companion.literal import markdown_text
from companion.statistics import with_interval

__all__ = [
    "PUBLISHED_ABSENT",
    "PUBLISHED_CONFLICT",
    "answer",
    "bar_rows",
    "definitions",
    "definitions_text",
    "edge_rows",
    "null_rows",
    "regulator_rows",
    "retrieval_rows",
    "share_rows",
    "sides_rows",
    "with_interval",
    "yardstick_share",
]

#: The paper's range of the share of changes that are absent from the network (C1).
PUBLISHED_ABSENT = (0.42, 0.71)

#: The paper's least share of changes in conflict (C1).
PUBLISHED_CONFLICT = 0.14


def networks_of(tables: InconsistencyTables) -> list[str]:
    """The networks' names, the one that the method uses first."""
    return list(dict.fromkeys(tables.shares["network"]))


def yardstick_share(
    tables: InconsistencyTables, quantity: str, scope: str = SCOPES[0], network: str | None = None
) -> pd.Series:
    """One row of ``shares`` at the edition's yardstick."""
    rows = tables.shares
    network = network or networks_of(tables)[0]
    rows = rows[rows["yardstick"] & (rows["scope"] == scope) & (rows["network"] == network)]
    return rows[rows["quantity"] == quantity].iloc[0]


# --------------------------------------------------------------------------------- rows and tables


def bar_rows(tables: InconsistencyTables, scope: str) -> pd.DataFrame:
    """Bars for `companion.plot.inconsistency.plot_bars`: yardstick, and paths up to 5 by rule."""
    rows = tables.shares[tables.shares["scope"] == scope]
    parts = ["consistent", "conflicting", "ambiguous", "not reached"]
    rows = rows[((rows["k"] == PATHS[0]) | rows["yardstick"]) & rows["quantity"].isin(parts)]
    star = rows["yardstick"].map({True: " *", False: ""})
    label = rows["network"] + ", k = " + rows["k"].astype(str) + ", " + rows["rule"] + star
    first = rows["network"].map(networks_of(tables).index)
    order = rows.assign(label=label, later=~rows["yardstick"], first=first)
    return order.sort_values(["first", "later", "k", "rule"], kind="stable")


def _texts(rows: pd.DataFrame, digits: int = 1, kind: str = "share") -> list[str]:
    """Shares with intervals as text; ``kind``: prefix of the columns, ``share`` has none."""
    names = {f"{kind}_mean": "share", f"{kind}_low": "low", f"{kind}_high": "high"}
    renamed = rows if kind == "share" else rows[list(names)].rename(columns=names)
    return [with_interval(row, digits) for _, row in renamed.iterrows()]


def share_rows(tables: InconsistencyTables) -> pd.DataFrame:
    """Shares at the yardstick as text, quantities in rows."""
    rows = tables.shares[tables.shares["yardstick"]]
    short = {SCOPES[0]: "all conditions", SCOPES[1]: "regulators only"}
    rows = rows.assign(column=rows["network"] + ", " + rows["scope"].map(short), text=_texts(rows))
    return _wide(rows, ["quantity", "of"], "column")


def _wide(rows: pd.DataFrame, key: list[str], columns: str) -> pd.DataFrame:
    """Column ``text`` spread over columns; rows and columns in the order of their first text."""
    order, across = rows[key].drop_duplicates(), rows[columns].unique()
    wide = rows.set_index([*key, columns])["text"].unstack(columns)
    return wide.loc[list(order.itertuples(index=False, name=None)), across].reset_index()


def definitions(tables: InconsistencyTables) -> pd.DataFrame:
    """Every definition of the claim's two shares, and whether they lie where the paper's do.

    Returns
    -------
    DataFrame
        ``network, scope, rule, k, yardstick, absent, conflicting, in_range, enough``.
    """
    key = ["network", "scope", "rule", "k", "yardstick"]
    rows = tables.shares[tables.shares["quantity"].isin(["absent", "conflicting"])]
    wide = rows.set_index([*key, "quantity"])["share"].unstack("quantity").reset_index()
    wide.columns.name = None
    low, high = PUBLISHED_ABSENT
    return wide.assign(
        in_range=wide["absent"].between(low, high), enough=wide["conflicting"] >= PUBLISHED_CONFLICT
    )


def definitions_text(table: pd.DataFrame) -> str:
    """The definitions in which both shares lie where the paper's do, in words."""
    both = table[table["in_range"] & table["enough"]]
    if both.empty:
        return "none"
    texts = [
        f"{markdown_text(network)}, {scope}, {rule}, k = {', '.join(map(str, sorted(part['k'])))}"
        for (network, scope, rule), part in both.groupby(["network", "scope", "rule"], sort=False)
    ]
    return "; ".join(texts)


def null_rows(tables: InconsistencyTables) -> pd.DataFrame:
    """Nulls as text."""
    rows = tables.nulls
    return pd.DataFrame(
        {
            "network": rows["network"],
            "closure": "k = " + rows["k"].astype(str) + ", " + rows["rule"],
            "null": rows["null"],
            "statistic": rows["statistic"],
            "ours": rows["ours"].map("{:.1%}".format),
            "null: mean and 95%": _texts(rows, kind="null"),
            "p": rows["p"].map("{:.3f}".format),
            "draws": rows["draws"],
        }
    )


def regulator_rows(tables: InconsistencyTables, most: int = 14) -> pd.DataFrame:
    """Perturbations of whose changes the main network says most; lowest agreement first."""
    rows = tables.regulators[tables.regulators["network"] == networks_of(tables)[0]]
    spoken = rows["consistent"] + rows["conflicting"]
    rows = rows.assign(spoken=spoken)[spoken > 0]
    rows = rows.sort_values(["spoken", "perturbation"], ascending=[False, True])[:most]
    rows = rows.sort_values(["agreement", "spoken"], ascending=[True, False], ignore_index=True)
    many = rows["conditions"].map(lambda n: f"{n} condition{'s' if n > 1 else ''}")
    return rows.assign(label=rows["name"] + " (" + many + ")")


def retrieval_rows(tables: InconsistencyTables) -> pd.DataFrame:
    """Retrieval as text."""
    rows = tables.retrieval[tables.retrieval["total"] > 0]
    points = 100 * rows[["difference", "difference_low", "difference_high"]]
    signed = [
        "–" if pd.isna(middle) else f"{middle:+.1f} [{low:+.1f}, {high:+.1f}]"
        for middle, low, high in points.itertuples(index=False, name=None)
    ]
    return pd.DataFrame(
        {
            **rows[["network", "unit", "outcome"]],
            "number": rows["count"].map("{:,}".format) + " of " + rows["total"].map("{:,}".format),
            "share": _texts(rows),
            "other genes": ["–" if pd.isna(e) else f"{e:.1%}" for e in rows["expected"]],
            "difference (points)": signed,
        }
    )


def sides_rows(tables: InconsistencyTables) -> pd.DataFrame:
    """What the other network says, as text: one row per network and sort of edge."""
    rows = tables.sides
    if rows.empty:
        return rows
    rows = rows.rename(columns={"other_network": "according to"}).assign(text=_texts(rows, 0))
    return _wide(rows, ["network", "edges", "total", "according to"], "says")


def edge_rows(tables: InconsistencyTables, most: int = 12) -> pd.DataFrame:
    """The main network's edges that conflict most, for reading."""
    rows = tables.edges[tables.edges["network"] == networks_of(tables)[0]][:most]
    names = {"source_name": "regulator", "target_name": "target", "other": "other network"}
    shown = ["source_name", "target_name", "sign", "conditions", "conflicting", "consistent",
             "unchanged", "other"]  # fmt: skip
    return rows[shown].rename(columns=names).reset_index(drop=True)


# ------------------------------------------------------------------------------------- sentences


def null_of(tables: InconsistencyTables, null: str, statistic: str = "agreement") -> pd.Series:
    """The main network's row of ``nulls`` at the yardstick (the first closure of the table)."""
    rows = tables.nulls[tables.nulls["network"] == networks_of(tables)[0]]
    first = rows[(rows["k"] == rows["k"].iloc[0]) & (rows["rule"] == rows["rule"].iloc[0])]
    return first[(first["null"] == null) & (first["statistic"] == statistic)].iloc[0]


def answer(tables: InconsistencyTables) -> str:
    """The analysis in a few sentences, every number from the tables (Markdown)."""
    networks = networks_of(tables)
    main, other = (markdown_text(name) for name in (networks[0], networks[-1]))
    absent, conflict = (yardstick_share(tables, q) for q in ("absent", "conflicting"))
    inner = [yardstick_share(tables, q, SCOPES[1]) for q in ("absent", "conflicting")]
    spoken = yardstick_share(tables, "conflicting where it speaks")
    rest = yardstick_share(tables, "unsupported")
    parts = [
        f"At this edition's closure (k = {absent['k']}, {absent['rule']}), "
        f"**{with_interval(absent)}** of {absent['total']:,} measured changes are absent from "
        f"{main} and **{with_interval(conflict, 1)}** conflict with it; where a regulator "
        f"of it was perturbed, {with_interval(inner[0])} and {with_interval(inner[1], 1)}.",
        f"Of the changes that it speaks of, {with_interval(spoken)} conflict, and "
        f"{with_interval(rest)} of the changes that it deduces are not seen.",
    ]
    labels, signs = null_of(tables, "labels"), null_of(tables, "signs by regulator")
    parts.append(
        f"Its agreement, {labels['ours']:.0%}, stands against {labels['null_mean']:.0%} when "
        f"perturbations are shuffled (p = {labels['p']:.3f}) and {signs['null_mean']:.0%} when "
        f"every regulator's signs are (p = {signs['p']:.3f})."
    )
    seen = tables.retrieval
    seen = seen[(seen["network"] == networks[0]) & (seen["unit"] == "condition × target")]
    right = seen[seen["outcome"] == "expected sign"].iloc[0]
    parts.append(
        f"Of its direct edges from perturbed regulators {with_interval(right)} show with the "
        f"expected sign, where other genes of the same conditions would by {right['expected']:.0%}."
    )
    table = definitions(tables)
    met = int((table["in_range"] & table["enough"]).sum())
    parts.append(
        f"The paper's 42–71% absent **and** at least 14% in conflict hold together under {met} of "
        f"{len(table)} definitions ({definitions_text(table)})."
    )
    rows = tables.nulls[
        (tables.nulls["network"] == networks[0]) & (tables.nulls["null"] == "labels")
    ]
    paths = rows[(rows["k"] == PATHS[0]) & (rows["rule"] == PATHS[1])].set_index("statistic")
    if len(paths) and (absent["k"], absent["rule"]) != PATHS:
        reach, agree = paths.loc["absent"], paths.loc["agreement"]
        parts.append(
            f"With paths of up to {PATHS[0]} steps, counted by {PATHS[1]}, {reach['ours']:.0%} are "
            f"absent ({reach['null_mean']:.0%} when perturbations are shuffled, p = "
            f"{reach['p']:.3f}) and {agree['ours']:.0%} of the others agree "
            f"({agree['null_mean']:.0%}, p = {agree['p']:.3f})."
        )
    sides = tables.sides
    if len(sides):
        mine = sides[(sides["network"] == networks[0]) & (sides["edges"] == "conflicting")]
        by = mine.set_index("says")
        parts.append(
            f"{other} does not decide for the data: of {by['total'].iloc[0]} edges in "
            f"conflict it gives {with_interval(by.loc['same sign'])} the same sign and "
            f"{with_interval(by.loc['opposite sign'])} the sign that the data show."
            if by.loc["opposite sign", "share"] <= by.loc["same sign", "share"]
            else f"{other} sides with the data in "
            f"{with_interval(by.loc['opposite sign'])} of {by['total'].iloc[0]} edges in conflict."
        )
    return " ".join(parts)
