"""The noise experiment as a reader sees it: every number comes from its tables."""

from __future__ import annotations

import pandas as pd

from companion.noise.jobs import METHODS
from companion.noise.run import METRICS, NoiseTables, interval
from companion.statistics import signed_interval

__all__ = [
    "answer",
    "curve_rows",
    "example_sentence",
    "harmless_sentence",
    "noise_table",
    "score_table",
    "thin_rows",
    "thin_sentence",
    "topology_rows",
    "topology_sentence",
]

#: Metrics of the long table at one noise level.
SHOWN = (
    "network_f1",
    "closure_f1",
    "precision",
    "recall",
    "sign_accuracy",
    "shd",
    "auprc",
    "repaired",
    "harmed",
)
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
    rows = _chosen(tables.summary, k=k, metric=metric)
    cells = pd.DataFrame(
        {
            "method": [METHODS[m].label for m in rows["method"]],
            "noise": [f"{p:.0%}" for p in rows["noise"]],
            "cell": [_cell(row, metric) for _, row in rows.iterrows()],
        }
    )
    wide = cells.pivot(index="method", columns="noise", values="cell")
    wide = wide.loc[cells["method"].drop_duplicates(), cells["noise"].drop_duplicates()]
    return wide.rename_axis(columns=None).reset_index()


def score_table(tables: NoiseTables, k: int, noise: float) -> pd.DataFrame:
    """All metrics of all methods at one k and noise level, with intervals."""
    rows = _chosen(tables.summary, k=k, noise=noise)
    out = []
    for method, group in rows.groupby("method", sort=False):
        by = group.set_index("metric")
        cells = {METRICS[name]: _cell(by.loc[name], name) for name in SHOWN}
        out.append({"method": METHODS[str(method)].label, **cells})
    return pd.DataFrame(out)


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
    original = table[table["state"] == "original"]
    same = {"original": original["value"].mean()}
    same |= {name: original[name].mean() for name in ("null_mean", "null_low", "null_high")}
    rows = []
    for (noise, state), group in _chosen(table, k=k).groupby(["noise", "state"], sort=False):
        mean, low, high = interval(group["value"])
        rows.append({"noise": noise, "state": state, "mean": mean, "low": low, "high": high})
    return pd.DataFrame(rows).assign(**same)


def topology_sentence(tables: NoiseTables, k: int, noise: float) -> str:
    """How far the topology is from the original, against rewirings (Markdown)."""
    here = _chosen(tables.topology, k=k, noise=noise)
    parts = []
    for measure, name in (
        ("degree_assortativity", "degree assortativity"),
        ("modularity", "greedy modularity"),
    ):
        rows = topology_rows(tables, measure, k)
        first = rows.iloc[0]
        changes = [
            f"{signed_interval(*interval(group['change']))} in {STATES[str(state)]}"
            for state, group in _chosen(here, measure=measure).groupby("state", sort=False)
        ]
        parts.append(
            f"{name} is {first['original']:.3f} in the original (rewired: {first['null_mean']:.3f} "
            f"[{first['null_low']:.3f}, {first['null_high']:.3f}]) and differs from it by "
            + " and by ".join(changes)
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
    moved = (
        "positive"
        if "+" in (row["before"] if row["after"] == "0" else row["after"])
        else "negative"
    )
    one = len(tables.example) == 1
    against = (
        "1 response speaks against" if one else f"{len(tables.example)} responses speak against"
    )
    now = f" Now {row['gene']} follows: {row['path']}." if row["response"] else ""
    return (
        f"The noisy network has `{row['before']}` from {row['source']} to {row['target']}. "
        f"{against} it: the first is {row['gene']} under more "
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
    parts = []
    for k in f1["k"].unique():
        here = _chosen(f1, k=k, noise=noise).set_index("method")
        ours = here.loc["aligned"]
        text = f"k = {k}: {_cell(ours, 'network_f1')}, {_gain(ours)} against the "
        text += f"{here.loc['noisy', 'mean']:.3f} of doing nothing"
        if "identifiable" in here.index:
            gap = signed_interval(*_difference(ours, "identifiable"))
            text += f" and {gap} against the {here.loc['identifiable', 'mean']:.3f} of what the "
            text += "responses can tell apart"
        parts.append(text)
    ours = f1[(f1["method"] == "aligned") & (f1["noise"] > 0)]
    clear = int((ours["vs_noisy_low"] > 0).sum())
    text = f"At {noise:.0%} noise the refined network's macro-F1 is, for {'; for '.join(parts)}. "
    beyond = ours[(ours["noise"] > noise) & ours["vs_identifiable"].notna()]
    so_far = ours.loc[ours["noise"] == noise, "vs_identifiable"].min()
    if len(beyond) and beyond["vs_identifiable"].min() < so_far - 0.001:
        worst = beyond.loc[beyond["vs_identifiable"].idxmin()]
        gap = signed_interval(*_difference(worst, "identifiable"))
        text += (
            f"With more noise that gap grows to {gap} ({worst['noise']:.0%}, k = {worst['k']}). "
        )
    return (
        f"{text}Over all noise levels and k, {clear} of {len(ours)} gains have an interval clear "
        f"of zero. {harmless_sentence(tables)}"
    )


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


def _cell(row: pd.Series, metric: str) -> str:
    if pd.isna(row["mean"]):
        return ""
    digits = 0 if metric in COUNTS else 3
    text = f"{row['mean']:,.{digits}f}"
    if pd.isna(row["low"]):
        return text
    return f"{text} [{row['low']:,.{digits}f}, {row['high']:,.{digits}f}]"


def _difference(row: pd.Series, other: str) -> tuple[float, float, float]:
    return row[f"vs_{other}"], row[f"vs_{other}_low"], row[f"vs_{other}_high"]


def _gain(row: pd.Series) -> str:
    return signed_interval(*_difference(row, "noisy"))


def _arrow(value: int) -> str:
    return {1: "up", 0: "unchanged", -1: "down"}[int(value)]
