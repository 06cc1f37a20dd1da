"""``aligned data import``: from single cells to a data set of responses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from aligned.cli.output import Device, absolute, say
from aligned.cli.tables import print_table
from aligned.files import check_place, is_empty, lock, new_folder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add_to"]

#: Rows of the table of conditions on the screen; the file has all.
ROWS = 40


def add_to(app: typer.Typer) -> None:
    """Register the command of this module below ``aligned data``."""
    app.command("import")(import_)


def import_(
    cells: str = typer.Argument(help="A .h5ad file of cells: counts, or log-normalised."),
    out: str = typer.Option(..., "--out", help="New folder of the data set."),
    condition_key: str = typer.Option(
        "", "--condition-key", help="Column of obs that names the perturbation; else found."
    ),
    control: str = typer.Option("", "--control", help="Its label of the controls; else found."),
    where: list[str] = typer.Option(
        [], "--where", help="Only cells with column=value; may be given several times."
    ),
    kind: str = typer.Option("", "--kind", help="crispri, ko, kd (down); crispra, oe (up)."),
    kind_key: str = typer.Option("", "--kind-key", help="Column of obs that says the kind."),
    batch_key: str = typer.Option("", "--batch-key", help="Column of obs with replicates."),
    gene_key: str = typer.Option("", "--gene-key", help="Column of var with the genes' names."),
    layer: str = typer.Option("", "--layer", help="Read this layer instead of X."),
    strip: str = typer.Option("", "--strip", help="Regular expression to cut off the labels."),
    keep_first: bool = typer.Option(
        False, "--keep-first", help="Of several genes of one name keep the first."
    ),
    min_cells: int = typer.Option(10, "--min-cells", help="Fewest cells of a perturbation."),
    min_seen: int = typer.Option(
        10, "--min-seen", help="Fewest cells, controls included, in which a gene is seen."
    ),
    fdr: float = typer.Option(0.05, "--fdr", help="Largest false discovery rate of a change."),
    log2fc: float = typer.Option(0.25, "--log2fc", help="Smallest log2 fold change."),
    agree: float = typer.Option(
        0.5, "--agree", help="Smallest share of replicates that go the same way."
    ),
    kb: str = typer.Option("", "--kb", help="Network to put beside the data."),
    seed: int = typer.Option(0, "--seed", min=0, help="Seed of the split."),
    device: Device = typer.Option(None, "--device", help="Accepted everywhere; unused here."),
) -> None:
    """Turn single cells into responses: each perturbation tested against the control cells.

    Example: aligned data import cells.h5ad --condition-key condition --control ctrl --kind crispri
    --kb edges.csv --out my-screen
    """
    from aligned.cells import Reading, Rules, import_cells

    target = absolute(out)
    if target.exists() and not is_empty(target):
        raise ValueError(f"{target} exists already; name another folder with --out.")
    check_place(target)
    source = Path(cells).expanduser()
    rules = Rules(fdr, log2fc, min_cells, min_seen, agree)
    reading = Reading(
        condition_key, control, tuple(where), kind, kind_key, batch_key, gene_key, layer, strip,
        keep_first,
    )  # fmt: skip
    edges = _network(kb)
    with lock(target), new_folder(target) as part:
        found = import_cells(source, reading, rules, seed=seed, scratch=part.parent)
        _write(found, edges, kb, part)
    for note in found.notes:
        say(f"note: {note}")
    _tell(found)
    typer.echo(f"{target}: data.h5ad, card.yaml, conditions.csv, thresholds.csv")


def _network(kb: str) -> pd.DataFrame | None:
    from aligned.data import load_edges

    return load_edges(Path(kb).expanduser()) if kb else None


def _write(found: Any, edges: pd.DataFrame | None, kb: str, part: Path) -> None:
    import yaml

    from aligned.data import save
    from aligned.data.folder import assemble

    if edges is None:
        found.data.write_h5ad(part / "data.h5ad", convert_strings_to_categoricals=False)
        text = yaml.safe_dump(found.card, sort_keys=False, allow_unicode=True)
        (part / "card.yaml").write_text(text, encoding="utf-8")
    else:
        save(assemble(found.data, edges, card=found.card, where=kb), part)
    found.conditions.to_csv(part / "conditions.csv", index=False)
    found.thresholds.to_csv(part / "thresholds.csv", index=False, float_format="%.6g")


def _tell(found: Any) -> None:
    card = found.card
    typer.echo(f"matrix: {card['matrix']}")
    typer.echo(
        f"read: {card['n_cells']} cells, {card['n_control']} of them controls "
        f"({card['condition_key']} = {card['control']}), {len(found.conditions)} conditions, "
        f"{card['n_genes_measured']} genes ({card['n_genes_too_rare']} left out, seen in "
        f"fewer than {card['min_seen']} cells everywhere)"
    )
    typer.echo(
        f"called: {card['changed_share']:.2%} of the places, at fdr <= {card['fdr']:g} and "
        f"|log2fc| >= {card['log2fc']:g}; the perturbed genes moved as expected "
        f"in {card['own_gene_as_expected']} of the {card['own_gene_measured']} conditions that "
        "measure them"
    )
    typer.echo("\nshare called at other thresholds (fdr down, log2fc across)")
    table = found.thresholds.pivot(index="fdr", columns="log2fc", values="called")
    table.columns = [f"{value:g}" for value in table.columns]
    shown = table.map(lambda share: f"{share:.2%}").reset_index()
    print_table(shown)
    typer.echo("")
    most = found.conditions.assign(changed=found.conditions["up"] + found.conditions["down"])
    most = most.sort_values(["changed", "condition"], ascending=[False, True])
    print_table(most.head(ROWS))
    if len(most) > ROWS:
        typer.echo(f"... and {len(most) - ROWS} more conditions, in conditions.csv")
