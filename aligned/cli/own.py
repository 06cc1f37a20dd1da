"""``aligned init`` and ``aligned report``: a reader's own data and network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from aligned.cli.output import absolute, say
from aligned.cli.publish import Device

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(init)
    app.command()(report)


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
    from aligned.book.study import write_study

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

    from aligned.book.report import build_report
    from aligned.book.study import Study, read_study

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
