"""Kill writers at random moments, look at what is left: ``python -m benchmarks.reliability_kills``.

Each scenario writes over something finished in a process of its own, which gets SIGKILL after a
random time. Then the place must hold the old or the new one, whole; the same work, done again, must
end well, with the same result as without a kill; and nothing hidden may be left.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer

import aligned as al
from aligned.cli import main as command_line
from aligned.data import save as save_data
from aligned.files import new_folder, recover, tidy
from companion.tables import load_tables, save_tables

TINY = al.Config(n_networks=1, network_steps=3, align_steps=3, hidden=8, k=2, rule="boolean")
SETTINGS = [f"{key}={getattr(TINY, key)}" for key in ("network_steps", "align_steps", "hidden")]


@dataclass(frozen=True)
class Tables:
    """What an analysis leaves."""

    one: pd.DataFrame
    two: pd.DataFrame


@dataclass(frozen=True)
class Scenario:
    """``work`` goes on until it is killed or done; ``whole`` says what is wrong afterwards."""

    name: str
    work: Callable[[Path], None]
    whole: Callable[[Path], str]
    seconds: float


def main(
    kills: Annotated[int, typer.Option(help="How many, over all scenarios.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the moments.")] = 0,
) -> None:
    """Kill, look, count; one row per scenario, exit code 1 if anything was lost."""
    torch.set_num_threads(1)  # a process is forked per kill
    rng, rows, start = np.random.default_rng(seed), [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number, scenario in zip(range(kills), cycle(scenarios(Path(folder))), strict=False):
            place = Path(folder) / scenario.name
            place.mkdir(exist_ok=True)
            delay = float(rng.uniform(0, scenario.seconds))
            killed = _kill(scenario.work, place, delay)
            try:
                fault = scenario.whole(place)
            except Exception as error:
                fault = f"{type(error).__name__}: {error}"
            rows.append({"scenario": scenario.name, "killed": killed, "fault": fault})
            if fault:
                print(
                    f"kill {number}, {scenario.name} after {delay:.3f} s: {fault}", file=sys.stderr
                )
    table = pd.DataFrame(rows)
    found = table.assign(lost=table["fault"] != "").groupby("scenario", sort=False)
    print(found.agg(runs=("killed", "size"), killed=("killed", "sum"), lost=("lost", "sum")))
    print(f"{time.monotonic() - start:.0f} s")
    raise SystemExit(int((table["fault"] != "").any()))


def _kill(work: Callable[[Path], None], place: Path, delay: float) -> bool:
    process = multiprocessing.get_context("fork").Process(target=_quietly, args=(work, place))
    process.start()
    process.join(delay)
    killed = process.is_alive()
    process.kill()
    process.join()
    return killed


def _quietly(work: Callable[[Path], None], place: Path) -> int:
    """Run it without a word; the exit code where it is a command."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            work(place)
        except SystemExit as left:
            return int(left.code or 0)
    return 0


# ---------------------------------------------------------------------------------- scenarios


def scenarios(folder: Path) -> list[Scenario]:
    """All of them, each with the length of its work."""
    sim = al.simulate(n_genes=60, n_regulators=12, seed=1)
    bundle = al.Bundle(
        sim.data, sim.kb, None, sim.go_counts, sim.gene_sets, sim.card, {"k": 2, "rule": "boolean"}
    )
    data = folder / "data"
    if not data.exists():
        save_data(bundle, data)
    models = [al.Aligned(TINY.replace(seed=s)).fit(sim.data, sim.kb, "A") for s in (0, 1)]
    x = sim.data.obsm["perturbation"]
    said = [model.predict(x).probabilities for model in models]
    tables = [Tables(*(pd.DataFrame({"value": np.arange(9) + s}) for _ in "ab")) for s in (0, 1)]

    def save_models(place: Path) -> None:
        for model in cycle(models):
            model.save(place / "model")

    def model_whole(place: Path) -> str:
        if not _there(place / "model"):
            models[0].save(place / "model")  # killed before the first one was there
        found = al.Aligned.load(place / "model").predict(x).probabilities
        if not any(np.array_equal(found, other) for other in said):
            return "another model"
        models[0].save(place / "model")
        return _clean(place, ["model"])

    def save_both(place: Path) -> None:
        for one in cycle(tables):
            save_tables(one, place / "t", {"seconds": 1})
            save_tables(one, place / "t" / "sub", {"seconds": 1})

    def tables_whole(place: Path) -> str:
        for name in ("t", "t/sub"):
            if _there(place / name):
                one, two = vars(load_tables(Tables, place / name)[0]).values()
                if not one.equals(two):
                    return f"{name} is of two runs"
        save_tables(tables[0], place / "t", {"seconds": 1})
        return _clean(place, ["t"]) or _clean(
            place / "t", ["one.csv", "run.json", "sub", "two.csv"]
        )

    def resume(place: Path) -> None:
        al.Aligned(TINY).fit(sim.data, sim.kb, "A-R-A", checkpoint=place / "c", resume=True)

    goal = al.Aligned(TINY).fit(sim.data, sim.kb, "A-R-A").predict(x).probabilities

    def resumed_whole(place: Path) -> str:
        resume(place)
        if not np.array_equal(
            al.Aligned.load(place / "c" / "A-R-A").predict(x).probabilities, goal
        ):
            return "another model than without a kill"
        fault = _clean(place, ["c"]) or _clean(
            place / "c", ["A", "A-R", "A-R-A", "init", "network"]
        )
        os.rename(place / "c", folder / f"done-{time.monotonic_ns()}")  # the next one starts anew
        return fault

    def fit(place: Path, *how: str) -> None:
        words = [word for setting in SETTINGS for word in ("-c", setting)]
        out = str(place / "run")
        command_line(["fit", "--data", str(data), "--out", out, "--schedule", "A-R", *words, *how])

    def fit_anew(place: Path) -> None:
        fit(place, "--force")

    def run_whole(place: Path) -> str:
        run = place / "run"
        if _there(run):
            al.Aligned.load(run)
        elif (run.with_name("run.first")).exists():
            return "the finished run is gone"
        code = _quietly(lambda here: fit(here, "--resume"), place)
        al.Aligned.load(run)
        run.with_name("run.first").touch()
        return f"exit code {code}" if code else _clean(place, ["run", "run.first"])

    def write_folder(place: Path) -> None:
        for text in cycle("ab"):
            with new_folder(place / "f") as part:
                for number in range(20):
                    (part / str(number)).write_text(text * 1000)

    def folder_whole(place: Path) -> str:
        recover(place / "f")
        texts = {path.read_text() for path in (place / "f").glob("*")}
        tidy(place)
        return f"{len(texts)} texts" if len(texts) > 1 else _clean(place, ["f"])

    return [
        Scenario("model saved over another", save_models, model_whole, 0.3),
        Scenario("tables saved over others", save_both, tables_whole, 0.3),
        Scenario("checkpoints, resumed", resume, resumed_whole, _length(resume)),
        Scenario("aligned fit --force", fit_anew, run_whole, _length(fit_anew)),
        Scenario("folder replaced", write_folder, folder_whole, 0.2),
    ]


def _length(work: Callable[[Path], None]) -> float:
    with tempfile.TemporaryDirectory() as place:
        start = time.monotonic()
        _quietly(work, Path(place))
        return time.monotonic() - start


def _there(place: Path) -> bool:
    recover(place)
    return place.exists()


def _clean(place: Path, names: list[str]) -> str:
    """Whether nothing but these lies there; locks of the dead are free and may stay."""
    more = {path.name for path in place.iterdir() if not path.name.endswith(".lock")} - {*names}
    return f"left behind: {', '.join(sorted(more))}" if more else ""


if __name__ == "__main__":
    typer.run(main)
