"""``aligned data``: what the registry holds, fetch it, check it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from aligned.cli.tables import print_table
from aligned.files import write_text

if TYPE_CHECKING:
    from aligned.data import Bundle
    from aligned.knowledge import KnowledgeBase

__all__ = ["app", "card_of"]

app = typer.Typer(
    help="Data sets and their original files: list, fetch, check, card.\n\n"
    "Example: aligned data fetch ecoli",
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
    import pandas as pd

    from aligned.data import registry

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
    import pandas as pd

    from aligned.data import registry

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
    from aligned.data import registry

    table = registry.check(names or None)
    print_table(table[["name", "state", "place", "path"]])
    damaged = table.loc[table["state"] == "damaged", "path"]
    if len(damaged):
        raise registry.DataError(
            f"{len(damaged)} file(s) are not the registered ones, the first: {damaged.iloc[0]}; "
            "delete it and fetch it again."
        )


@app.command()
def card(
    name: str = typer.Argument(help="A data set: demo, ecoli, a folder, or a .h5ad file."),
    out: str = typer.Option("", "--out", help="Write the card to this .json file instead."),
    seed: int = typer.Option(0, help="Seed of simulated data."),
) -> None:
    """Show the card of a data set: what it is, licence, citation, counts, noise, networks.

    Example: aligned data card demo
    """
    from aligned.data import load

    text = json.dumps(card_of(load(name, seed)), indent=1, ensure_ascii=False) + "\n"
    if out:
        write_text(text, Path(out))
    else:
        typer.echo(text, nl=False)


def card_of(bundle: Bundle) -> dict[str, Any]:
    """The card of a data set together with the sizes of its networks."""
    networks = {"network": bundle.kb, "other_network": bundle.other_kb}
    return {**bundle.card, **{key: _sizes(kb) for key, kb in networks.items() if kb is not None}}


def _sizes(kb: KnowledgeBase) -> dict[str, int]:
    edges = kb.to_edges()
    return {
        "regulators": int(edges["source"].nunique()),
        "targets": int(edges["target"].nunique()),
        "pairs": int(kb.n_pairs),
        "dual": int(kb.n_edges - kb.n_pairs),
    }


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
