"""Every way to break the contract is named, with the way to mend it."""

from __future__ import annotations

from collections.abc import Callable

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from aligned.data import check_overlap, validate
from aligned.knowledge import KnowledgeBase

Data = anndata.AnnData


def _x(data: Data, i: int, j: int, value: float) -> None:
    values = data.X.astype(float)
    values[i, j] = value
    data.X = values


def _perturb(data: Data, i: int, j: int, value: int) -> None:
    matrix = data.obsm["perturbation"].tolil()
    matrix[i, j] = value
    data.obsm["perturbation"] = matrix.tocsr()


def _dense_perturbation(data: Data) -> None:
    data.obsm["perturbation"] = data.obsm["perturbation"].toarray()


def _hidden_response(data: Data) -> None:
    data.X[0, 1] = 1


def _unobserved_row(data: Data) -> None:
    data.X[1] = 0
    data.layers["observed"][1] = False


def _double_condition(data: Data) -> None:
    data.obs_names = ["ko_tf", "oe_1", "ko_tf"]


def _double_gene(data: Data) -> None:
    data.var_names = ["g1", "g2", "g1", "g4"]


def _float_observed(data: Data) -> None:
    data.layers["observed"] = data.layers["observed"].astype(float)


def _set(where: str, key: str, value: object) -> Callable[[Data], None]:
    def change(data: Data) -> None:
        getattr(data, where)[key] = value

    return change


def _drop(where: str, key: str) -> Callable[[Data], None]:
    def change(data: Data) -> None:
        del getattr(data, where)[key]

    return change


FAULTS: dict[str, tuple[Callable[[Data], None], str]] = {
    "nan": (lambda d: _x(d, 2, 1, np.nan), r"X holds nan at condition 'double', gene 'g2'.*False"),
    "2": (lambda d: _x(d, 1, 3, 2), r"X holds 2 at condition 'oe_1', gene 'g4' \(1 such cells\)"),
    "dtype": (lambda d: _x(d, 0, 0, 1), r"X has dtype float64; use .*astype\('int8'\)"),
    "sparse": (lambda d: setattr(d, "X", sp.csr_matrix(d.X)), r"X is sparse; .*toarray\(\)"),
    "no X": (lambda d: setattr(d, "X", None), r"X is missing"),
    "no observed": (_drop("layers", "observed"), r"'observed'\] is missing.*numpy\.ones"),
    "observed dtype": (_float_observed, r"'observed'\] has dtype float64.*astype\(bool\)"),
    "hidden": (_hidden_response, r"X is 1 at condition 'ko_tf', gene 'g2'.*'observed'\] is False"),
    "all hidden": (_unobserved_row, r"condition 'oe_1' has no observed gene"),
    "logfc": (_set("layers", "logfc", np.zeros((3, 4), int)), r"logfc'\] has dtype int"),
    "no perturbation name": (_drop("obs", "perturbation"), r"lacks the column 'perturbation'"),
    "no replicates": (_drop("obs", "n_replicates"), r"lacks the column 'n_replicates'"),
    "no split": (_drop("obs", "split"), r"lacks the column 'split'; .*with_split"),
    "split": (_set("obs", "split", ["train", "val", "test"]), r"'split'\] is 'val' for .*'oe_1'"),
    "replicates": (_set("obs", "n_replicates", [2, 0, 1]), r"'n_replicates'\] is 0 for"),
    "half": (_set("obs", "n_replicates", [2, 1.5, 1]), r"'n_replicates'\] is 1.5 for"),
    "label": (
        _set("obs", "perturbation", ["TF+", "A+", "A-,TF+"]),
        r"is 'TF\+' for .*1 genes down",
    ),
    "label words": (_set("obs", "perturbation", ["TF-", "A+", "two"]), r"is 'two' for"),
    "condition twice": (_double_condition, r"condition 'ko_tf' is there 2 times"),
    "gene twice": (_double_gene, r"gene 'g1' is there 2 times"),
    "no genes": (_drop("uns", "genes"), r"uns\['genes'\] is missing"),
    "genes twice": (
        _set("uns", "genes", np.array(["g1", "g2", "g3", "g4", "g4"])),
        r"uns\['genes'\] lists 'g4' twice",
    ),
    "genes lack": (
        _set("uns", "genes", np.array(["g1", "x", "y", "g4", "tf"])),
        r"uns\['genes'\] lacks 2 of the measured genes, g2, g3",
    ),
    "genes short": (
        _set("uns", "genes", np.array(["g1", "g2", "g3", "g4"])),
        r"has 5 columns but uns\['genes'\] lists 4 genes",
    ),
    "no input": (_drop("obsm", "perturbation"), r"obsm\['perturbation'\] is missing.*csr_matrix"),
    "dense input": (_dense_perturbation, r"is a dense ndarray; use scipy\.sparse\.csr_matrix"),
    "input 3": (lambda d: _perturb(d, 1, 0, 3), r"holds 3 at condition 'oe_1', gene 'g1'"),
    "nothing perturbed": (
        lambda d: _perturb(d, 1, 0, 0),
        r"condition 'oe_1' has no perturbed gene",
    ),
}


def test_good_data_pass(toy: Data) -> None:
    assert validate(toy) is None


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named(toy: Data, fault: str) -> None:
    change, message = FAULTS[fault]
    change(toy)
    with pytest.raises(ValueError, match=message) as caught:
        validate(toy)
    assert "\n" not in str(caught.value)


def test_all_faults_in_one_message(toy: Data) -> None:
    _x(toy, 0, 0, np.nan)
    del toy.obs["split"]
    del toy.uns["genes"]
    with pytest.raises(ValueError, match=r"in 3 places: \(1\) X holds nan.*; \(2\) .*; \(3\) uns"):
        validate(toy)


def test_what_the_message_says_mends(toy: Data) -> None:
    toy.X = sp.csr_matrix(toy.X.astype(float))
    toy.X = toy.X.toarray().astype("int8")
    del toy.layers["observed"]
    toy.layers["observed"] = np.ones(toy.shape, dtype=bool)
    toy.obsm["perturbation"] = sp.csr_matrix(toy.obsm["perturbation"].toarray().astype("int8"))
    validate(toy)


@pytest.mark.parametrize("thing", [None, pd.DataFrame(), np.zeros((2, 2))])
def test_only_anndata(thing: object) -> None:
    with pytest.raises(TypeError, match=r"not an AnnData; read a file with anndata\.read_h5ad"):
        validate(thing)


def test_overlap_of_genes(toy: Data, edges: pd.DataFrame) -> None:
    check_overlap(toy, KnowledgeBase.from_edges(edges))
    foreign = KnowledgeBase.from_edges(edges.replace({"tf": "TP53", "g1": "MDM2", "g2": "CDKN1A"}))
    with pytest.raises(ValueError, match=r"none of the 2 perturbed genes \(g1, tf\).*MDM2, TP53"):
        check_overlap(toy, foreign)
    foreign = KnowledgeBase.from_edges(edges.map(lambda v: f"h{v}" if isinstance(v, str) else v))
    with pytest.raises(ValueError, match=r"share no gene: the data name them g1, g2, g3, …"):
        check_overlap(toy, foreign)


def test_genes_without_edges_do_not_count_as_overlap(toy: Data) -> None:
    lonely = pd.DataFrame({"source": ["x"], "target": ["y"], "sign": [1]})
    kb = KnowledgeBase.from_edges(lonely, genes=[*toy.uns["genes"], "x", "y"])
    with pytest.raises(ValueError, match="share no gene"):
        check_overlap(toy, kb)
