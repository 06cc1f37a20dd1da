"""The benchmark tables as a reader sees them."""

from __future__ import annotations

import pandas as pd

__all__ = ["growth_rows", "speed_sentence", "speed_table"]


def speed_table(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``results/benchmarks/refinement.csv`` beside the reference and the whole runs.

    Parameters
    ----------
    table : DataFrame
        ``case, n, r, k, edges, device, threads, what, seconds, reference_seconds, ratio, peak_mb,
        reference_peak_mb``.
    """
    rows = table[table["case"].isin(["ratio", "whole", "human"])]
    return pd.DataFrame(
        {
            "what": rows["what"],
            "genes": rows["n"].map("{:,}".format),
            "regulators": rows["r"].map("{:,}".format),
            "k": rows["k"],
            "device": rows["device"],
            "seconds": rows["seconds"].map("{:.3g}".format),
            "dense": _where_known(rows["reference_seconds"], "{:.3g}"),
            "times faster": _where_known(rows["ratio"], "{:,.0f}"),
            "memory (MB)": rows["peak_mb"].map("{:,.0f}".format),
            "dense (MB)": _where_known(rows["reference_peak_mb"], "{:,.0f}"),
        }
    )


def _where_known(values: pd.Series, form: str) -> list[str]:
    return ["" if pd.isna(v) else form.format(v) for v in values]


def speed_sentence(table: pd.DataFrame) -> str:
    """What a whole refinement takes, and how much faster than dense it is (Markdown)."""
    cpu = table[table["device"] == "cpu"]
    whole = cpu[cpu["case"] == "whole"]
    ratios = cpu[cpu["case"] == "ratio"]
    largest = ratios[ratios["n"] == ratios["n"].max()].set_index("what")
    parts = [
        f"{ratio:,.0f} times for one {what}" for what, ratio in largest["ratio"].dropna().items()
    ]
    text = ""
    if len(whole):
        row = whole.iloc[-1]
        text = (
            f"A whole refinement of {row['n']:,} genes and {row['r']:,} regulators at k = "
            f"{row['k']} takes {row['seconds']:.0f} s and {row['peak_mb'] / 1024:.1f} GB on "
            f"{row['threads']} threads. "
        )
    if parts:
        n = int(ratios["n"].max())
        text += f"Against the dense reference with {n:,} genes: {', '.join(parts)}."
    return text


def growth_rows(table: pd.DataFrame, growth: pd.DataFrame) -> pd.DataFrame:
    """Rows for `companion.plot.plot_exponents`: each curve with its fitted exponent.

    Parameters
    ----------
    table, growth : DataFrame
        ``results/benchmarks/refinement.csv`` and ``growth.csv``.

    Returns
    -------
    DataFrame
        ``label, size, seconds``; the label names what grows and the power it grows with.
    """
    parts = []
    for row in growth[growth["device"] == "cpu"].itertuples():
        name = {"n": "genes", "r": "regulators"}[str(row.along)]
        here = table[(table["case"] == f"growth in {row.along}") & (table["what"] == row.what)]
        here = here[(here["device"] == "cpu") & (here["threads"] == row.threads)]
        label = f"{row.what}, {name}^{row.exponent:.1f} [{row.low:.1f}, {row.high:.1f}]"
        parts.append(
            pd.DataFrame({"label": label, "size": here[row.along], "seconds": here["seconds"]})
        )
    return pd.concat(parts, ignore_index=True)
