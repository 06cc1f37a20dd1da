"""Score other tools' predictions beside ours, on the same folds; write one table and its record.

    python workflow/rivals/compare.py build/rivals/demo results/demo/rivals

Runs in the main environment. A tool's continuous effects become calls at a threshold that is tuned
on the val conditions of each fold (their cells never trained the tool), for data consistency and
for balance apart. Ours and the frequencies train on train and val together and tune on inner folds.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

import aligned as al
from aligned.config import Config
from aligned.data import with_split
from aligned.data.rows import Rows
from aligned.files import new_folder
from aligned.records import check_replaceable, run_record, write_record
from aligned.scores import balanced_consistency, confusion, f1_from_confusion
from companion.engine import counted
from companion.rivals import RIVALS
from companion.statistics import Key, Scores

#: Tools whose table may lie in the folder: file -> name.
TOOLS = {"gears": "GEARS", "state": "State"}
BASELINES = ("no change", "class frequencies", "direct edges, else frequencies")
OURS = "ALIGNED, integrated"
SPLIT = "perturbation"
OBJECTIVES = ("f_d", "balance")
#: Shares of cells called that a threshold is chosen from.
SHARES = np.geomspace(0.0005, 0.5, 30)


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of prepare.py, with a tool's table.")],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    n_boot: Annotated[int, typer.Option(help="Bootstrap samples over perturbations.")] = 1000,
) -> None:
    """Write ``scores.csv``, the tools' tables and ``run.json``, all or nothing."""
    begin = time.monotonic()
    check_replaceable(
        out, known=["scores.csv", "cell_eval.csv", *(f"{name}.csv.gz" for name in TOOLS)]
    )
    bundle = al.load(folder / "data")
    roles = pd.read_csv(folder / "folds.csv", dtype=str)
    tools = {n: folder / f"{n}.csv.gz" for n in TOOLS if (folder / f"{n}.csv.gz").is_file()}
    if not tools:
        raise SystemExit(f"{folder} holds no table of a tool; run train_gears.py on it first.")
    table = scores(bundle, roles, tools, n_boot)
    records = {TOOLS[n]: json.loads((folder / f"{n}.json").read_text()) for n in tools}
    record = run_record(
        {"folds": roles["fold"].nunique(), "n_boot": n_boot, "tools": records},
        bundle.data,
        bundle.kb,
        time.monotonic() - begin,
    )
    with new_folder(out) as part:
        table.to_csv(part / "scores.csv", index=False, float_format="%.7g")
        for path in tools.values():
            shutil.copy2(path, part / path.name)
        write_record(record, part / "run.json")
    print(table.to_string(index=False))


def scores(
    bundle: al.Bundle, roles: pd.DataFrame, tools: dict[str, Path], n_boot: int
) -> pd.DataFrame:
    """Every method on the test conditions of all folds, and ours less it, paired.

    Returns
    -------
    DataFrame
        ``method, objective, f_d, f_d_low, f_d_high, f_k, …, balanced, …, n_conditions``;
        ``gain_f_d, …_low, …_high``, ``gain_balanced, …``: ours minus the method.
    """
    rows = Rows.of(bundle.data, bundle.kb)
    effects = {n: effects_of(path, bundle, roles) for n, path in tools.items()}
    measured = tuple(map(str, bundle.data.var_names))
    delta = bundle.kb.deduce(rows.x, **bundle.yardstick)[:, bundle.kb.columns(measured)]
    methods = (*(TOOLS[n] for n in tools), *BASELINES, OURS)
    called = {(m, o): np.zeros_like(rows.y) for o in OBJECTIVES for m in methods}
    for fold, mine in roles.groupby("fold"):
        role = mine.set_index("condition")["role"].reindex(bundle.data.obs_names).to_numpy()
        where = {name: np.flatnonzero(role == name) for name in ("train", "val", "test")}
        trained = np.isin(role, ("train", "val"))  # excluded: shares a gene with the test rows
        labels = np.where(role == "test", "test", np.where(trained, "train", "excluded"))
        here = with_split(bundle.data, pd.Series(labels, bundle.data.obs_names))
        rest = rows.take(np.flatnonzero(trained))
        for objective in OBJECTIVES:
            config = Config(seed=0, objective=objective)
            for name, per_fold in effects.items():
                tau = threshold(per_fold[fold], where["val"], rows, delta, config)
                called[TOOLS[name], objective][where["test"]] = call(
                    per_fold[fold][where["test"]], tau
                )
            for name in BASELINES:
                rival = RIVALS[name](bundle.kb, measured, dict(bundle.yardstick), config)
                found = rival.fit(rest).predict(rows.take(where["test"]))
                called[name, objective][where["test"]] = found
            model = al.Aligned(config).fit(here, bundle.kb, "A", yardstick=dict(bundle.yardstick))
            test = rows.take(where["test"])
            called[OURS, objective][where["test"]] = model.predict(test.x).fused
    all_scores = Scores(counted(bundle, called, SPLIT), n_boot)
    scored = {key: all_scores.of(Key(SPLIT, key[0], objective=key[1])) for key in called}
    table: list[dict[str, object]] = []
    for (method, objective), result in scored.items():
        row = {"method": method, "objective": objective, **result.row(), "n_conditions": len(rows)}
        for metric in ("f_d", "balanced"):
            change = result.change_to(scored[OURS, objective], metric)
            row |= dict(
                zip((f"gain_{metric}{e}" for e in ("", "_low", "_high")), change, strict=True)
            )
        table.append(row)
    return pd.DataFrame(table)


def effects_of(path: Path, bundle: al.Bundle, roles: pd.DataFrame) -> dict[str, np.ndarray]:
    """Effects per fold, (conditions, measured genes); nan where the tool says nothing.

    Raises
    ------
    ValueError
        A condition that the fold does not hold out, or no measured gene at all.
    """
    table = pd.read_csv(path, dtype={"fold": str, "condition": str, "gene": str})
    held = roles[roles["role"] != "train"]
    asked = set(zip(held["fold"], held["condition"], strict=True))
    given = set(zip(table["fold"], table["condition"], strict=True))
    if given - asked:
        fold, condition = sorted(given - asked)[0]
        raise ValueError(
            f"{path}: fold {fold} does not hold out the condition {condition!r}; predict the "
            "conditions with the role val or test in folds.csv."
        )
    names, genes = list(bundle.data.obs_names), list(map(str, bundle.data.var_names))
    if not set(genes) & set(table["gene"]):
        raise ValueError(f"{path}: none of its genes is measured; use the ids of data/genes.csv.")
    return {
        str(fold): mine.pivot(index="condition", columns="gene", values="effect")
        .reindex(index=names, columns=genes)
        .to_numpy()
        for fold, mine in table.groupby("fold")
    }


def call(effects: np.ndarray, tau: float) -> np.ndarray:
    """±1 beyond ``tau``; a gene without an effect is unchanged."""
    return np.where(np.abs(np.nan_to_num(effects)) > tau, np.sign(effects), 0).astype(np.int8)


def threshold(
    effects: np.ndarray, val: np.ndarray, rows: Rows, delta: np.ndarray, config: Config
) -> float:
    """The threshold that is best on the val conditions for the configured objective."""
    part = rows.take(val)
    sizes = np.abs(np.nan_to_num(effects[val]))
    best = (-1.0, 0.0)
    for tau in np.quantile(sizes, 1 - SHARES):
        calls = call(effects[val], float(tau))
        f_d = f1_from_confusion(confusion(part.y, calls, part.counted).sum(axis=0))
        value = float(f_d)
        if config.objective == "balance":
            counts = confusion(delta[val], calls, part.counted).sum(axis=0)
            value = float(balanced_consistency(f_d, f1_from_confusion(counts), config.gamma))
        best = max(best, (value, float(tau)))
    return best[1]


if __name__ == "__main__":
    typer.run(main)
