"""``aligned run`` and ``aligned book``: one notebook, or all pages."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
import yaml

from aligned import book as publishing
from aligned._assets import asset
from aligned.experiments import (
    AblationTables,
    HiddenTables,
    InconsistencyTables,
    IterationTables,
    MainTables,
    NoiseTables,
    PathwayTables,
    hidden_report,
    load_tables,
    main_report,
    noise_report,
)
from aligned.experiments.report import summary_markdown
from aligned.files import write_text
from aligned.scorecard import scorecard

__all__ = ["Device", "add_to", "readme_with_results"]


class Device(StrEnum):
    """Where networks are trained."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(run)
    app.command()(book)
    app.command(hidden=True)(notebooks)


def run(
    notebook: str = typer.Argument(help="A notebook, e.g. 03_ecoli_iterations."),
    edition: str = typer.Option("demo", "--edition", "-e", help="The data: demo, ecoli, ..."),
    parameter: list[str] = typer.Option(
        [], "--parameter", "-p", help="key=value, value in YAML; may be repeated."
    ),
    out: str = typer.Option("", help="Executed copy; build/<edition>/notebooks/ by default."),
    seed: int = typer.Option(None, help="Passed on as the notebook's parameter `seed`."),
    device: Device = typer.Option(None, help="Passed on as the notebook's parameter `device`."),
) -> None:
    """Run a notebook for an edition of the data and keep the executed copy.

    Example: aligned run 03_ecoli_iterations --edition ecoli -p seed=3
    """
    given = parameters(parameter)
    given.update({"seed": seed} if seed is not None else {})
    given.update({"device": device.value} if device is not None else {})
    done = publishing.run_notebook(notebook, edition, given, out or None)
    typer.echo(f"executed copy: {done}")
    typer.echo(f"results:       {publishing.workspace(edition)}")


def book(
    edition: str = typer.Option("demo", "--edition", "-e", help="The data: demo, ecoli, ..."),
) -> None:
    """Run the notebooks of an edition, build the book and check that its pages exist.

    Only what changed since the last call is done again.

    Example: aligned book --edition demo
    """
    index = publishing.build_book(edition, say=_progress)
    typer.echo(f"open {index.as_uri()}")


def notebooks() -> None:
    """Run the demo edition and write the committed .ipynb pairs and the README's results.

    For contributors. Example: aligned notebooks
    """
    for path in publishing.sync_notebooks(say=_progress):
        typer.echo(path)
    readme = (publishing.checkout() or Path()) / "README.md"
    text = readme_with_results(readme.read_text(encoding="utf-8"))
    typer.echo(write_text(text, readme))


def readme_with_results(text: str) -> str:
    """The README with the block between its ``results`` marks computed from ``results/``."""
    apart, _ = load_tables(InconsistencyTables, asset("results/ecoli/01_inconsistency"))
    main, _ = load_tables(MainTables, asset("results/ecoli/02_main_results"))
    loop, _ = load_tables(IterationTables, asset("results/ecoli/03_ecoli_iterations"))
    noise, _ = load_tables(NoiseTables, asset("results/random/04_refinement_noise"))
    hidden, _ = load_tables(HiddenTables, asset("results/ecoli/04_refinement_noise/hidden"))
    paths, _ = load_tables(PathwayTables, asset("results/ecoli/05_kegg_enrichment"))
    parts, _ = load_tables(AblationTables, asset("results/ecoli/06_ablations"))
    card = scorecard({"ecoli": [apart, main, loop, paths, parts], "random networks": noise})
    card = card.sort_values("claim", key=lambda claims: claims.str.extract(r"(\d+)")[0].astype(int))
    split = str(loop.scores["split"].iloc[0])
    block = "\n\n".join(
        [
            summary_markdown(loop, card, split),
            "**Against what you would use instead** (thresholds tuned for the score; the best of "
            "a dozen rivals, picked on the same table):",
            main_report.summary_markdown(main),
            f"**Refinement under noise** (random networks). {noise_report.answer(noise)}",
            f"**Edges hidden from the method** (*E. coli*). {hidden_report.headline(hidden)}",
        ]
    )
    marks = re.compile(r"(<!-- results:begin[^>]*-->\n).*?(<!-- results:end -->)", re.DOTALL)
    return marks.sub(lambda found: f"{found[1]}\n{block}\n\n{found[2]}", text)


def parameters(words: list[str]) -> dict[str, Any]:
    """Read ``key=value`` words; values are YAML, so ``seeds=[0,1]`` is a list.

    Examples
    --------
    >>> parameters(["seed=3", "schedule=A-R", "seeds=[0, 1]"])
    {'seed': 3, 'schedule': 'A-R', 'seeds': [0, 1]}
    """
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"-p takes key=value, not {word!r}; for example -p seed=3.")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ValueError(f"the value in -p {word!r} is not YAML; quote it.") from None
    return found


def _progress(line: str) -> None:
    print(f"aligned: {line}", file=sys.stderr, flush=True)
