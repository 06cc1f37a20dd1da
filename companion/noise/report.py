"""The noise experiment and the benchmarks as a reader sees them: every number from their tables."""

from __future__ import annotations

import pandas as pd

from companion.noise.jobs import METHODS
from companion.noise.run import METRICS, NoiseTables, interval
from companion.statistics import signed_interval

__all__ = [
    "answer",
    "curve_rows",
    "example_sentence",
    "growth_rows",
    "harmless_sentence",
    "noise_table",
    "score_table",
    "speed_sentence",
    "speed_table",
    "thin_rows",
    "thin_sentence",
    "topology_rows",
    "topology_sentence",
]

#: Metrics of the long table at one noise level: all but the last two.
SHOWN = tuple(METRICS)[:-2]
#: Metrics shown without decimals.
COUNTS = ("shd", "n_edits")

STATES = {"noisy": "the noisy network", "refined": "the refined one"}


def noise_table(tables: NoiseTables, k: int, metric: str = "network_f1") -> pd.DataFrame:
    """One metric, methods by noise level, as ``0.97 [0.96, 0.98]``; k fixed.

    Raises
    ------
    ValueError
        There is no row for this k or metric.
    """
    rows = curve_rows(tables, k, metric)
    return _wide(rows, rows["noise"].map("{:.0%}".format))


def score_table(tables: NoiseTables, k: int, noise: float) -> pd.DataFrame:
    """All metrics of all methods at one k and noise level, with intervals."""
    rows = _labelled(_chosen(tables.summary, k=k, noise=noise))
    rows = rows[rows["metric"].isin(SHOWN)]
    return _wide(rows, rows["metric"].map(METRICS))


def curve_rows(tables: NoiseTables, k: int, metric: str = "network_f1") -> pd.DataFrame:
    """Rows to draw: ``noise, method, label, mean, low, high``."""
    return _labelled(_chosen(tables.summary, k=k, metric=metric))


def thin_rows(tables: NoiseTables, curve: str, metric: str = "network_f1") -> pd.DataFrame:
    """Rows to draw: ``level, method, label, mean, low, high`` of one curve of evidence."""
    return _labelled(_chosen(tables.thin_summary, curve=curve, metric=metric))


def topology_rows(tables: NoiseTables, measure: str, k: int) -> pd.DataFrame:
    """One measure against noise: ``noise, state, mean, low, high`` and the original and its null.

    Parameters
    ----------
    measure : str
        A key of `companion.topology.MEASURES`.
    k : int

    Returns
    -------
    DataFrame
        ``state`` is ``noisy`` or ``refined``; mean and 95% interval over seeds; ``original`` and
        ``null_mean, null_low, null_high`` (rewirings of the original) are means over networks.
    """
    table = _chosen(tables.topology, measure=measure)
    original = _chosen(table, state="original").rename(columns={"value": "original"})
    same = original[["original", "null_mean", "null_low", "null_high"]].mean()
    rows = [
        (*place, *interval(values))
        for place, values in _chosen(table, k=k).groupby(["noise", "state"], sort=False)["value"]
    ]
    return pd.DataFrame(rows, columns=["noise", "state", "mean", "low", "high"]).assign(**same)


def topology_sentence(tables: NoiseTables, k: int, noise: float) -> str:
    """How far the topology is from the original, against rewirings (Markdown)."""
    here = _chosen(tables.topology, k=k, noise=noise)
    parts = []
    for measure, name in (
        ("degree_assortativity", "degree assortativity"),
        ("modularity", "greedy modularity"),
    ):
        first = topology_rows(tables, measure, k).iloc[0]
        changes = [
            f"by {signed_interval(*interval(change))} in {STATES[str(state)]}"
            for state, change in _chosen(here, measure=measure).groupby("state")["change"]
        ]
        parts.append(
            f"{name} is {first['original']:.3f} in the original (rewired: "
            f"{_bracketed(*first[['null_mean', 'null_low', 'null_high']])}) and differs from it "
            + " and ".join(changes)
        )
    return f"At {noise:.0%} noise, k = {k}: " + "; ".join(parts) + "."


def thin_sentence(tables: NoiseTables, curve: str, method: str = "aligned") -> str:
    """Until where a method pays when evidence is thin, in a sentence (Markdown).

    It *pays* where the 95% interval of the paired difference to the noisy network's macro-F1 lies
    above zero.
    """
    rows = _chosen(tables.thin_summary, curve=curve, metric="network_f1", method=method)
    rows = rows.sort_values("level", ascending=curve == "errors")  # from good evidence to thin
    good = (rows["vs_noisy_low"] > 0).tolist()
    upto = good.index(False) if False in good else len(good)
    name = METHODS[method].label
    label = f"**{name[0].upper()}{name[1:]}**"
    where, reach = {
        "perturbed": ("of the regulators perturbed", "down to"),
        "errors": ("of the responses wrong", "up to"),
    }[curve]

    def at(i: int) -> str:
        row = rows.iloc[i]
        return f"{row['level']:.0%} {where} ({_gain(row)} against the noisy network)"

    if upto == 0:
        return f"{label} does not pay, even at {at(0)}."
    if upto == len(rows):
        return f"{label} pays throughout, even at {at(upto - 1)}."
    return f"{label} pays {reach} {at(upto - 1)}, no longer at {at(upto)}."


def harmless_sentence(tables: NoiseTables) -> str:
    """Is nothing changed where there is nothing to learn? (Markdown)"""
    made = tables.harmless.groupby("responses")["n_edits"]
    runs, changed = made.size(), made.apply(lambda edits: int((edits > 0).sum()))
    names = {
        "exact": "the network is true already",
        "shuffled": "responses are dealt among the perturbations",
        "random": "responses are random",
    }
    parts = [f"{changed[key]} of {runs[key]} where {name}" for key, name in names.items()]
    return "Runs that changed the network: " + ", ".join(parts) + "."


def example_sentence(tables: NoiseTables) -> str:
    """The repaired pair of the example, from response to edit (Markdown)."""
    if tables.example.empty:
        return "No corrupted pair was repaired in the example's run."
    row = tables.example.iloc[0]
    sign = row["before"] if row["after"] == "0" else row["after"]
    moved = "positive" if "+" in sign else "negative"
    n = len(tables.example)
    against = "1 response speaks" if n == 1 else f"{n} responses speak"
    now = f" Now {row['gene']} follows: {row['path']}." if row["response"] else ""
    return (
        f"The noisy network has `{row['before']}` from {row['source']} to {row['target']}. "
        f"{against} against it: the first is {row['gene']} under more "
        f"{row['perturbed']}, measured {_arrow(row['response'])} but deduced "
        f"{_arrow(row['before_edit'])}. The relaxed {moved} weight went to "
        f"{row[f'weight_{moved}']:.2f}; as `{row['after']}` the pair explains "
        f"{row['n_cells']:.0f} cells net, worth {row['gain']:.1f} after the price of the edit."
        f"{now}"
    )


def answer(tables: NoiseTables, noise: float = 0.4) -> str:
    """Does refinement beat doing nothing? Every number from the tables (Markdown)."""
    if not {"noisy", "aligned"} <= set(tables.summary["method"]):
        return "Refinement, or the noisy network beside it, was not run here."
    noise = min(tables.summary["noise"].unique(), key=lambda p: abs(p - noise))
    f1 = _chosen(tables.summary, metric="network_f1")
    ours = _chosen(f1, method="aligned")
    means = f1[f1["noise"] == noise].pivot(index="k", columns="method", values="mean")
    parts = []
    for _, row in _chosen(ours, noise=noise).iterrows():
        beside = means.loc[row["k"]]
        text = f"k = {row['k']}: {_cell(row)}, {_gain(row)} against the {beside['noisy']:.3f} of "
        text += "doing nothing"
        if "identifiable" in beside:
            text += f" and {_gain(row, 'identifiable')} against the {beside['identifiable']:.3f} "
            text += "of what the responses can tell apart"
        parts.append(text)
    text = f"At {noise:.0%} noise the refined network's macro-F1 is, for {'; for '.join(parts)}. "
    beyond = ours[(ours["noise"] > noise) & ours["vs_identifiable"].notna()]
    so_far = ours.loc[ours["noise"] == noise, "vs_identifiable"].min()
    if len(beyond) and beyond["vs_identifiable"].min() < so_far - 0.001:
        worst = beyond.loc[beyond["vs_identifiable"].idxmin()]
        text += f"With more noise that gap grows to {_gain(worst, 'identifiable')} "
        text += f"({worst['noise']:.0%}, k = {worst['k']}). "
    gains = ours.loc[ours["noise"] > 0, "vs_noisy_low"]
    return (
        f"{text}Over all noise levels and k, {(gains > 0).sum()} of {len(gains)} gains have an "
        f"interval clear of zero. {harmless_sentence(tables)}"
    )


# ------------------------------------------------------------------------------- benchmarks


def speed_table(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``results/benchmarks/refinement.csv`` beside the reference and the whole runs.

    Parameters
    ----------
    table : DataFrame
        ``case, n, r, k, edges, device, threads, what, seconds, reference_seconds, ratio, peak_mb,
        reference_peak_mb``.
    """
    shown = {
        "what": ("what", "{}"),
        "n": ("genes", "{:,}"),
        "r": ("regulators", "{:,}"),
        "k": ("k", "{}"),
        "device": ("device", "{}"),
        "seconds": ("seconds", "{:.3g}"),
        "reference_seconds": ("dense", "{:.3g}"),
        "ratio": ("times faster", "{:,.0f}"),
        "peak_mb": ("memory (MB)", "{:,.0f}"),
        "reference_peak_mb": ("dense (MB)", "{:,.0f}"),
    }
    rows = table[table["case"].isin(["ratio", "whole", "human"])]
    return pd.DataFrame(
        {
            name: ["" if pd.isna(value) else form.format(value) for value in rows[column]]
            for column, (name, form) in shown.items()
        }
    )


def speed_sentence(table: pd.DataFrame) -> str:
    """What a whole refinement takes, and how much faster than dense it is (Markdown)."""
    cpu = table[table["device"] == "cpu"]
    ratios = cpu[cpu["case"] == "ratio"]
    n = ratios["n"].max()
    largest = ratios[ratios["n"] == n].dropna(subset="ratio")
    times = [
        f"{ratio:,.0f} times for one {what}"
        for what, ratio in zip(largest["what"], largest["ratio"], strict=True)
    ]
    sentences = [
        f"A whole refinement of {row.n:,} genes and {row.r:,} regulators at k = {row.k} takes "
        f"{row.seconds:.0f} s and {row.peak_mb / 1024:.1f} GB on {row.threads} threads."
        for row in cpu[cpu["case"] == "whole"].tail(1).itertuples()
    ]
    if times:
        sentences.append(f"Against the dense reference with {n:,} genes: {', '.join(times)}.")
    return " ".join(sentences)


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
        about = {"case": f"growth in {row.along}", "what": row.what, "threads": row.threads}
        here = _chosen(table, device="cpu", **about).rename(columns={str(row.along): "size"})
        label = f"{row.what}, {name}^{row.exponent:.1f} [{row.low:.1f}, {row.high:.1f}]"
        parts.append(here.assign(label=label)[["label", "size", "seconds"]])
    return pd.concat(parts, ignore_index=True)


# ------------------------------------------------------------------------------------ pieces


def _chosen(table: pd.DataFrame, **where: object) -> pd.DataFrame:
    """Rows with these values; ``ValueError`` if there is none."""
    for column, value in where.items():
        found = table[table[column] == value]
        if found.empty:
            known = ", ".join(map(str, table[column].unique()))
            raise ValueError(f"no row has {column} = {value!r}; there are: {known or 'none'}.")
        table = found
    return table


def _labelled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(label=[METHODS[m].label for m in rows["method"]]).reset_index(drop=True)


def _wide(rows: pd.DataFrame, across: pd.Series) -> pd.DataFrame:
    """Cells of labelled rows, methods by ``across``, both in the order of the rows."""
    cells = rows.assign(across=across, cell=[_cell(row) for _, row in rows.iterrows()])
    wide = cells.pivot(index="label", columns="across", values="cell")
    wide = wide.loc[cells["label"].unique(), cells["across"].unique()]
    return wide.rename_axis(index="method", columns=None).reset_index()


def _cell(row: pd.Series) -> str:
    if pd.isna(row["mean"]):
        return ""
    return _bracketed(row["mean"], row["low"], row["high"], 0 if row["metric"] in COUNTS else 3)


def _bracketed(mean: float, low: float, high: float, digits: int = 3) -> str:
    """A mean, with its interval where there is one."""
    text, *ends = (f"{x:,.{digits}f}" for x in (mean, low, high))
    return text if pd.isna(low) else f"{text} [{', '.join(ends)}]"


def _gain(row: pd.Series, other: str = "noisy") -> str:
    return signed_interval(*row[[f"vs_{other}", f"vs_{other}_low", f"vs_{other}_high"]])


def _arrow(value: int) -> str:
    return {1: "up", 0: "unchanged", -1: "down"}[int(value)]
