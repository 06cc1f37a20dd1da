"""A data set in a folder of plain files, so that anyone can bring one or take one away.

====================  =========  ================================================================
file                  needed     holds
====================  =========  ================================================================
``data.h5ad``         yes        responses, as `aligned.validate` asks
``edges.csv``         yes        the network: ``source,target,sign[,evidence]``
``other_edges.csv``   no         a second network
``genes.csv``         no         ``gene[,name][,go_count][,regulator]``, one row per gene
``gene_sets.gmt``     no         one set per line: name, description, genes, tab-separated
``card.yaml``         no         title, what, licence, citation, ...; ``yardstick: {k, rule}``
====================  =========  ================================================================

One ``.h5ad`` file alone works too if ``uns["network"]`` holds the table of edges. A folder that
`aligned report` wrote keeps these files in its folder ``data``; its own path is enough.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import anndata
import pandas as pd
import scipy.sparse as sp
import yaml
from anndata import AnnData
from pydantic import BaseModel, ConfigDict, Field

from aligned.data.bundle import DEFAULT_YARDSTICK, Bundle, Yardstick, check_yardstick, widen
from aligned.data.contract import check_overlap, validate
from aligned.data.edges import load_edges, read_table
from aligned.data.probe import probe
from aligned.files import is_empty, new_folder, recover
from aligned.knowledge import KnowledgeBase
from aligned.reading import clean_names, listed, read_text, read_yaml, reason

__all__ = [
    "assemble",
    "load_data",
    "load_edges",
    "load_folder",
    "load_h5ad",
    "read_gmt",
    "read_h5ad",
    "save",
    "write_gmt",
]


def read_h5ad(path: Path) -> AnnData:
    """Read an ``.h5ad`` file; ``ValueError`` in one sentence where it is none."""
    probe(path)
    try:
        data = anndata.read_h5ad(path)
        for matrix in (data.X, *data.layers.values(), *data.obsm.values()):
            if isinstance(matrix, (sp.csr_matrix, sp.csc_matrix, sp.csr_array, sp.csc_array)):
                matrix.check_format(full_check=True)  # C code follows, which trusts the indices
        return data
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as .h5ad ({type(error).__name__}); write it with "
            "adata.write_h5ad(path)."
        ) from error


def load_data(path: str | Path) -> AnnData:
    """Read perturbation data from a ``.h5ad`` file and validate them.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no ``.h5ad``, or breaks the contract.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; give the path of a .h5ad file.")
    data = read_h5ad(path)
    try:
        validate(data)
    except Exception as error:
        ours = isinstance(error, ValueError) and str(error).startswith("the data break")
        odd = f"what it holds is of an odd kind ({reason(error)}); see `aligned.validate`."
        raise ValueError(f"{path}: {error if ours else odd}") from error
    return data


def load_folder(folder: Path) -> Bundle:
    """Read a data set from a folder; see the top of this module for its files.

    Raises
    ------
    FileNotFoundError
        ``data.h5ad`` or ``edges.csv`` is missing.
    ValueError
        A file breaks its form, or data and network have nothing in common.
    """
    inner = folder / "data"
    for place in (folder, inner):
        recover(place)
    if not (folder / "data.h5ad").is_file() and (inner / "data.h5ad").is_file():
        folder = inner
    for name in ("data.h5ad", "edges.csv"):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"the folder {folder} holds no {name}; a data set needs data.h5ad and edges.csv "
                "(columns source, target, sign)."
            )
    other = folder / "other_edges.csv"
    genes = folder / "genes.csv"
    sets = folder / "gene_sets.gmt"
    return assemble(
        load_data(folder / "data.h5ad"),
        load_edges(folder / "edges.csv"),
        other_edges=load_edges(other) if other.is_file() else None,
        genes=_read_genes(genes) if genes.is_file() else None,
        gene_sets=read_gmt(sets) if sets.is_file() else {},
        card=_read_card(folder / "card.yaml", title=folder.name),
        where=str(folder),
    )


def load_h5ad(path: Path) -> Bundle:
    """Read a data set from one ``.h5ad`` file whose ``uns["network"]`` is a table of edges.

    Raises
    ------
    ValueError
        There is no such table, or it breaks its form.
    """
    data = load_data(path)
    network = data.uns.get("network")
    if not isinstance(network, pd.DataFrame):
        raise ValueError(
            f"{path} carries no network; store a DataFrame with source, target and sign in "
            "adata.uns['network'], or put the file into a folder as data.h5ad beside edges.csv."
        )
    card = {"title": path.stem, "yardstick": dict(DEFAULT_YARDSTICK)}
    return assemble(data, network, card=card, where=str(path))


def save(bundle: Bundle, folder: str | Path) -> Path:
    """Write a data set as a folder that `aligned.load` reads; all of it or nothing.

    Parameters
    ----------
    bundle : Bundle
        The data set.
    folder : str or Path
        Must not exist yet, or be empty.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        The folder holds something already.
    """
    folder = Path(folder)
    recover(folder)
    if folder.exists() and not is_empty(folder):
        raise FileExistsError(f"{folder} exists already; name another folder, or empty it first.")
    with new_folder(folder) as part:
        _write_files(bundle, part)
    return folder


def read_gmt(path: Path) -> dict[str, list[str]]:
    """Gene sets of a GMT file: name -> genes; the description is skipped.

    Raises
    ------
    ValueError
        It is no text, a line has no gene, or a name is odd or comes twice.
    """
    sets: dict[str, list[str]] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"line {number} of {path}"
        name, _, *rest = [*line.split("\t"), ""]
        name = clean_names([name], where)[0]
        genes = clean_names([gene for gene in rest if gene.strip()], where)
        if not genes or name in sets:
            fault = "repeats a name" if name in sets else "lists no gene"
            raise ValueError(
                f"{where} ({name!r}) {fault}; write name, description and genes, "
                "separated by tabs, each name once."
            )
        sets[name] = genes
    return sets


def write_gmt(sets: Mapping[str, Iterable[str]], path: Path) -> None:
    """Write gene sets as GMT, with an empty description."""
    lines = ["\t".join([name, "", *genes]) for name, genes in sets.items()]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def assemble(
    data: AnnData,
    edges: pd.DataFrame,
    *,
    card: dict[str, Any],
    where: str,
    other_edges: pd.DataFrame | None = None,
    genes: pd.DataFrame | None = None,
    gene_sets: dict[str, list[str]] | None = None,
) -> Bundle:
    """Put data, network and what is known about the genes together; checked, over the same genes.

    ``card`` holds at least ``yardstick``; ``where`` is named in errors.

    Raises
    ------
    ValueError
        A table breaks its form, or data and network have nothing in common.
    """
    card = dict(card)
    yardstick = card.pop("yardstick")
    check_yardstick(yardstick, where)
    for table in (edges, other_edges):
        _check_edges(table, where)
    data = widen(data, edges, other_edges)
    about = _about_genes(data, genes, where)
    listed = list(about.index[about["regulator"]])
    build = {"genes": data.uns["genes"], "names": about["name"].to_dict()}
    kb = KnowledgeBase.from_edges(edges, regulators=listed, **build)
    check_overlap(data, kb)
    return Bundle(
        data=data,
        kb=kb,
        other_kb=None if other_edges is None else KnowledgeBase.from_edges(other_edges, **build),
        go_counts=about["go_count"],
        gene_sets=gene_sets or {},
        card={**card, "n_conditions": data.n_obs, "n_genes": len(about)},
        yardstick=dict(yardstick),
    )


def _check_edges(table: pd.DataFrame | None, where: str) -> None:
    """Let a broken table speak in its own words, and say where it lies."""
    if table is None:
        return
    with warnings.catch_warnings():  # what is odd but no fault is told when it is built
        warnings.simplefilter("ignore")
        try:
            KnowledgeBase.from_edges(table)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error


def _about_genes(data: AnnData, table: pd.DataFrame | None, where: str) -> pd.DataFrame:
    """Name, GO count and rank as regulator of every gene, from ``genes.csv`` or else ``var``."""
    every = pd.Index([str(gene) for gene in data.uns["genes"]])
    known = pd.DataFrame(data.var) if table is None else table
    known = known[~known.index.duplicated()].reindex(every)
    about = pd.DataFrame(index=every)
    name = known["name"] if "name" in known else pd.Series(None, index=every)
    name = name.astype(object).where(name.notna(), every.to_series())
    about["name"] = clean_names(name.astype(str), f"{where}, as name of a gene,")
    counts = known["go_count"] if "go_count" in known else pd.Series(0, index=every)
    about["go_count"] = pd.to_numeric(counts, errors="coerce").fillna(0).clip(0, 10**6).astype(int)
    listed = known["regulator"] if "regulator" in known else pd.Series(False, index=every)
    about["regulator"] = listed.isin([True, 1, "True", "true"])
    return about


def _write_files(bundle: Bundle, folder: Path) -> None:
    bundle.data.write_h5ad(folder / "data.h5ad", convert_strings_to_categoricals=False)
    bundle.kb.to_edges().to_csv(folder / "edges.csv", index=False)
    if bundle.other_kb is not None:
        bundle.other_kb.to_edges().to_csv(folder / "other_edges.csv", index=False)
    genes = list(bundle.kb.genes)
    about = pd.DataFrame(
        {
            "gene": genes,
            "name": [bundle.kb.names.get(gene, gene) for gene in genes],
            "go_count": bundle.go_counts.reindex(genes).fillna(0).astype(int).to_numpy(),
            "regulator": pd.Index(genes).isin(bundle.kb.regulators),
        }
    )
    about.to_csv(folder / "genes.csv", index=False)
    if bundle.gene_sets:
        write_gmt(bundle.gene_sets, folder / "gene_sets.gmt")
    card = {**bundle.card, "yardstick": dict(bundle.yardstick)}
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True)
    (folder / "card.yaml").write_text(text, encoding="utf-8")


class _Card(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    title: str = ""
    what: str = ""
    licence: str = ""
    citation: str = ""
    yardstick: Yardstick = Field(default_factory=lambda: dict(DEFAULT_YARDSTICK))


def _read_card(path: Path, title: str) -> dict[str, Any]:
    card = read_yaml(path, _Card) if path.is_file() else _Card()
    return {"title": title, "yardstick": card.yardstick, **card.model_dump(exclude_unset=True)}


def _read_genes(path: Path) -> pd.DataFrame:
    table = read_table(path, ["gene"])
    if "gene" not in table:
        raise ValueError(f"{path} lacks the column gene (it has {listed(table)}); name it so.")
    table.index = pd.Index(clean_names(table.pop("gene"), f"the column gene of {path}"))
    counts = pd.to_numeric(table.get("go_count", pd.Series(dtype=float)), errors="coerce")
    wrong = ~((counts >= 0) & (counts < 10**6) & (counts % 1 == 0))
    wrong &= table["go_count"].notna() if len(counts) else wrong
    if wrong.any():
        gene = wrong.idxmax()
        raise ValueError(
            f"{path} has go_count {str(table['go_count'][wrong].iloc[0])[:60]!r} for the gene "
            f"{gene[:60]!r}; give whole numbers from 0."
        )
    return table
