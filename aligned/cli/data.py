"""``aligned data``: what the registry holds, fetch it, check it."""

from __future__ import annotations

import pandas as pd
import typer

from aligned.cli.tables import print_table
from aligned.datasets import registry

__all__ = ["app"]

app = typer.Typer(
    help="The original files: list, fetch, check.\n\nExample: aligned data fetch ecoli",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_files(
    edition: str = typer.Option("", "--edition", "-e", help="Only the files of this edition."),
) -> None:
    """List the registered files: size, licence, citation, where used.

    Example: aligned data list --edition ecoli
    """
    rows = [
        {
            "name": file.name,
            "MB": round(file.bytes / 1e6, 1),
            "editions": ",".join(file.editions) or "-",
            "licence": _short(file.licence, 44),
            "cite": _short(file.citation, 36),
        }
        for file in registry.files(edition or None)
    ]
    print_table(pd.DataFrame(rows))


@app.command()
def fetch(
    names: list[str] = typer.Argument(help="Files or editions, e.g. ecoli."),
) -> None:
    """Bring files to this machine, checked by their sha256; licence and citation come first.

    A folder named by ALIGNED_DATA_MIRROR is looked up before anything is downloaded.

    Example: aligned data fetch ecoli
    """
    found = registry.fetch(names)
    print_table(pd.DataFrame([{"name": name, "path": str(path)} for name, path in found.items()]))


@app.command()
def check(
    names: list[str] = typer.Argument(None, help="Files or editions; all by default."),
) -> None:
    """Compare the files on this machine with the registry; downloads nothing.

    Missing files are no fault; a damaged one is, and the exit code is then 1.

    Example: aligned data check ecoli
    """
    table = registry.check(names or None)
    print_table(table[["name", "state", "place", "path"]])
    damaged = table.loc[table["state"] == "damaged", "path"]
    if len(damaged):
        raise registry.DataError(
            f"{len(damaged)} file(s) are not the registered ones, the first: {damaged.iloc[0]}; "
            "delete it and fetch it again."
        )


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
