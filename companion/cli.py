"""Commands of `aligned` that exist because of the paper: run, book, init, report, scorecard.

`aligned.cli` finds them by the entry points of the group ``aligned.commands``, so this module loads
nothing heavy: what a command needs is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from aligned.cli import Device, absolute, check_file, print_table, say, write_table
from aligned.files import write_text

__all__ = ["book", "check", "init", "notebooks", "parameters", "report", "run", "scorecard"]


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
    from companion.book import run_notebook, workspace

    given = parameters(parameter)
    if "edition" in given:
        raise ValueError(
            f"the edition is no parameter of -p; name it with --edition {given['edition']}."
        )
    given.update({"seed": seed} if seed is not None else {})
    given.update({"device": device.value} if device is not None else {})
    done = run_notebook(notebook, edition, given, out or None)
    typer.echo(f"executed copy: {done}")
    typer.echo(f"results:       {workspace(edition)}")


def book(
    edition: str = typer.Option("demo", "--edition", "-e", help="The data: demo, ecoli, ..."),
) -> None:
    """Run the notebooks of an edition, build the book and check that its pages exist.

    Only what changed since the last call is done again.

    Example: aligned book --edition demo
    """
    from companion.book import build_book

    index = build_book(edition, say=say)
    typer.echo(f"open {index.as_uri()}")


def notebooks() -> None:
    """Run the demo edition and write the committed .ipynb pairs and the README's results.

    For contributors. Example: aligned notebooks
    """
    from companion.book import checkout, sync_notebooks
    from companion.book.readme import readme_with_results

    for path in sync_notebooks(say=say):
        typer.echo(path)
    readme = (checkout() or Path()) / "README.md"
    text = readme_with_results(readme.read_text(encoding="utf-8"))
    typer.echo(write_text(text, readme))


def check(
    results: str = typer.Option(
        "results", "--results", help="Folder of results: tables or counts, with their run records."
    ),
) -> None:
    """Compare results with their run records: a changed file fails, older code is told.

    Example: aligned check --results results
    """
    from companion.tables import check_results

    found = check_results(absolute(results))
    if found.empty:
        raise FileNotFoundError(f"there is no run record (run.json) in {absolute(results)}.")
    print_table(found[["results", "made", "state"]])
    damaged = found[found["state"] == "damaged"]
    if len(damaged):
        raise OSError(
            f"{len(damaged)} of {len(found)} results are damaged: {damaged['what'].iloc[0]}"
        )


def parameters(words: list[str]) -> dict[str, Any]:
    """Read ``key=value`` words; values are YAML, so ``seeds=[0,1]`` is a list.

    Examples
    --------
    >>> parameters(["seed=3", "schedule=A-R", "seeds=[0, 1]"])
    {'seed': 3, 'schedule': 'A-R', 'seeds': [0, 1]}
    """
    import yaml

    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"-p takes key=value, not {word!r}; for example -p seed=3.")
        try:
            found[key] = yaml.safe_load(value)
        except Exception:  # the parser's own, and dates or numbers that are none
            raise ValueError(f"the value in -p {word[:60]!r} is not YAML; quote it.") from None
    return found


def init(
    folder: str = typer.Argument(help="A new folder, e.g. my-study."),
    force: bool = typer.Option(
        False, "--force", help="Write into a folder that is not empty; replaces the example files."
    ),
    seed: int = typer.Option(None, "--seed", min=0, help="Accepted everywhere; unused here."),
    device: Device = typer.Option(None, "--device", help="Accepted everywhere; unused here."),
) -> None:
    """Start a study of your own: settings, example data and network that run as they are.

    Example: aligned init my-study
    """
    from companion.book.study import write_study

    target = absolute(folder)
    if target.exists() and not target.is_dir():
        raise ValueError(f"{target} is a file; name a new folder.")
    if target.is_dir() and any(target.iterdir()) and not force:
        raise ValueError(
            f"{target} is not empty; name another folder, or add --force to write the example's "
            "files there."
        )
    write_study(target)
    for name, what in (
        ("study.yaml", "settings, with comments"),
        ("responses.csv", "conditions × genes; replace it by your own"),
        ("edges.csv", "the network: source, target, sign"),
    ):
        typer.echo(f"{target / name}: {what}")
    typer.echo(f"next: aligned report {folder}")


def report(
    study: str = typer.Argument("", help="A folder with study.yaml, as `aligned init` makes it."),
    data: str = typer.Option(
        "", "--data", help="Responses: .csv, .tsv, .parquet, .h5ad, or a data set's folder."
    ),
    kb: str = typer.Option("", "--kb", help="Network: .csv, .tsv, .parquet or .sif."),
    out: str = typer.Option("", "--out", help="Folder of the report; default: STUDY/report."),
    gene_sets: str = typer.Option("", "--gene-sets", help="Gene sets as GMT; adds pathways."),
    threshold: float = typer.Option(
        None, "--threshold", help="Smallest log fold change that counts as a response."
    ),
    title: str = typer.Option("", "--title", help="Title of the report."),
    seed: int = typer.Option(None, "--seed", min=0, help="Seed of every notebook."),
    device: Device = typer.Option(None, "--device", help="Where networks are trained."),
) -> None:
    """Make a small book about your own responses and network; only what changed is done again.

    Give a folder with study.yaml, or --data and --kb and --out; options win over the file.

    Example: aligned report --data my.h5ad --kb edges.csv --out report
    """
    from dataclasses import replace

    from companion.book.report import build_report
    from companion.book.study import Study, read_study

    if not study and not data:
        raise ValueError(
            "name a folder with study.yaml (`aligned init my-study` makes one), or give --data "
            "and --kb."
        )
    if not out and not study:
        raise ValueError("say where the report goes, e.g. --out report.")
    given: dict[str, Any] = {
        "data": absolute(data) if data else None,
        "network": absolute(kb) if kb else None,
        "gene_sets": absolute(gene_sets) if gene_sets else None,
        "threshold": threshold,
        "title": title or None,
    }
    given = {key: value for key, value in given.items() if value is not None}
    if study:
        plan = replace(read_study(Path(study).expanduser()), **given)
    else:
        plan = Study(**{"title": absolute(data).stem, **given})
    target = absolute(out) if out else absolute(study) / "report"
    changes: dict[str, Any] = {} if seed is None else {"seed": seed}
    changes.update({"device": device.value} if device is not None else {})
    index = build_report(plan, target, changes, say=say)
    typer.echo(f"open {index.as_uri()}")


def scorecard(
    edition: str = typer.Option(
        "", "--edition", "-e", help="One edition; default: every one that has tables."
    ),
    tables: str = typer.Option(
        "", "--tables", help="Folder of the tables; default: your last run, else the committed."
    ),
    out: str = typer.Option("", "--out", help="All columns as .csv, .tsv or .parquet."),
    seed: int = typer.Option(
        None, "--seed", min=0, help="Accepted everywhere; nothing is drawn here."
    ),
    device: Device = typer.Option(
        None, "--device", help="Accepted everywhere; nothing is trained here."
    ),
    force: bool = typer.Option(False, "--force", help="Replace an existing --out."),
) -> None:
    """Judge the paper's claims by result tables: verdicts are computed, never typed.

    The tables are those that `aligned run` wrote for each analysis: of your own last run if there
    is one, else those committed under results/.

    Example: aligned scorecard --edition ecoli
    """
    import pandas as pd

    from companion.claims import ANALYSES
    from companion.claims import scorecard as judge

    target = absolute(out) if out else None
    if target is not None:
        check_file(target, force)
    if tables and not edition:
        raise ValueError("--tables needs --edition, the name of the data they are about.")
    if tables:
        found = [(edition, Path(tables).expanduser())]
    else:
        found = _table_folders(edition, list(ANALYSES))
    cards = [judge(folder, edition=name) for name, folder in found]
    card = pd.concat(cards, ignore_index=True)
    shown = ["claim", "edition", "verdict", "ours", "low", "high", "published"]
    print_table(card[shown], digits=3)
    for row in card.itertuples():
        typer.echo(f"{row.claim} ({row.edition}): {row.statement}. {row.reason}.")
    for name, folder in found:
        typer.echo(f"tables of {name}: {folder}")
    if target is not None:
        write_table(card, target)
        typer.echo(f"scorecard: {target}")


def _table_folders(edition: str, analyses: list[str]) -> list[tuple[str, Path]]:
    """Edition and folder of tables: the last run on this machine, else the committed one."""
    from aligned._assets import asset
    from companion.book import editions, load_edition, workspace

    found = []
    committed_for = {folder.name for folder in asset("results").glob("*/") if folder.is_dir()}
    everything = sorted({*editions(), *committed_for})
    for name in [load_edition(edition).name] if edition else everything:
        for analysis in analyses:
            own = workspace(name) / "tables" / analysis
            committed = asset("results") / name / analysis
            folder = next((f for f in (own, committed) if (f / "run.json").is_file()), None)
            if folder is not None:
                found.append((name, folder))
    if not found:
        raise FileNotFoundError(
            f"there are no tables of any analysis yet; make them with `aligned run {analyses[0]} "
            f"--edition {edition or 'demo'}`."
        )
    return found
