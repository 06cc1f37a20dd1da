"""What kind of ids are these, and why do two lists not meet?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from aligned import KnowledgeBase
from aligned.data import check_overlap
from aligned.data.identifiers import KINDS, guess_kind, mismatch

EXAMPLES = {
    "Ensembl gene": ["ENSG00000141510", "ENSMUSG00000059552.14", "ENSG00000012048"],
    "Ensembl transcript": ["ENST00000269305.9", "ENSMUST00000108658"],
    "RefSeq": ["NM_000546.6", "NP_000537"],
    "Entrez": ["7157", "672", "100130771"],
    "E. coli b-numbers": ["b0001", "b1334", "b4403"],
    "UniProt": ["P04637", "Q9H3D4", "A0A024R161", "P0A9E5"],
    "bacterial": ["fnr", "narG", "lacZ", "insH1", "arcA", "sodB"],
    "capitalised": ["Gata1", "Trp53", "Sox2", "Myc", "Hist1h1a"],
    "upper-case": ["GATA1", "TP53", "HLA-A", "C9orf72", "NKX2-5", "T"],
    "dates": ["2-Sep", "1-Mar", "Sep-02"],
}


@pytest.mark.parametrize("start", EXAMPLES)
def test_every_kind_is_recognised(start: str) -> None:
    kind, share = guess_kind(EXAMPLES[start])
    assert kind.startswith(start)
    assert share == 1.0


def test_the_examples_cover_all_kinds() -> None:
    assert len(EXAMPLES) == len(KINDS)


def test_no_guess_without_a_majority() -> None:
    assert guess_kind(["x_1", "y_2", "7157"]) == ("of no kind known here", 0.0)
    assert guess_kind([]) == ("of no kind known here", 0.0)


def test_share_is_told() -> None:
    network = [f"ENSG{i:011d}" for i in range(87)]
    network += [f"X_{i}" for i in range(13)]
    said = mismatch(network, ["TP53", "MYC", "GATA1"])
    assert said.startswith("87% of the network's genes look like Ensembl gene ids, 100% of the")
    assert "upper-case symbols (human style, such as GATA1): map one to the other first" in said


def test_case_version_blanks_and_dates() -> None:
    assert "upper and lower case only ('GATA1' and 'Gata1')" in mismatch(["GATA1"], ["Gata1"])
    said = mismatch(["ENSG00000141510.11"], ["ENSG00000141510"])
    assert "version suffix only ('.11')" in said
    assert r"ids.str.replace(r'\.\d+$', '', regex=True)" in said
    assert "version suffix only ('.3')" in mismatch(["ENSG00000141510"], ["ENSG00000141510.3"])
    assert "blanks only" in mismatch(["fnr "], ["fnr"])
    assert "a spreadsheet has changed" in mismatch(["SEPT2", "MARCH1"], ["2-Sep", "1-Mar"])


def test_the_version_hint_mends() -> None:
    series = pd.Series(["ENSG00000141510.11", "ENSG00000012048.2"])
    assert mismatch(series, ["ENSG00000141510", "ENSG00000012048"])
    mended = series.str.replace(r"\.\d+$", "", regex=True)
    assert mended.tolist() == ["ENSG00000141510", "ENSG00000012048"]


def test_same_kind_gives_no_guess() -> None:
    assert mismatch(["GATA1", "MYC"], ["TP53", "MDM2"]) == ""


def _data(genes: list[str]) -> AnnData:
    n = len(genes)
    obs = pd.DataFrame(
        {"perturbation": [f"{genes[0]}-"], "n_replicates": 1, "split": "train"}, index=["c"]
    )
    data = AnnData(np.zeros((1, n), dtype=np.int8), obs=obs, var=pd.DataFrame(index=genes))
    data.layers["observed"] = np.ones((1, n), dtype=bool)
    data.uns["genes"] = np.array(genes)
    data.obsm["perturbation"] = sp.csr_matrix(([-1], ([0], [0])), (1, n), dtype=np.int8)
    return data


def test_check_overlap_tells_the_guess() -> None:
    edges = pd.DataFrame(
        {"source": ["ENSG00000141510"], "target": ["ENSG00000135679"], "sign": [1]}
    )
    kb = KnowledgeBase.from_edges(edges)
    with pytest.raises(ValueError, match=r"share no gene: .*look like Ensembl gene ids.*map one"):
        check_overlap(_data(["TP53", "MDM2"]), kb)


def test_check_overlap_guesses_for_perturbed_genes_too() -> None:
    edges = pd.DataFrame({"source": ["TP53"], "target": ["mdm2"], "sign": [1]})
    kb = KnowledgeBase.from_edges(edges)
    with pytest.raises(ValueError, match=r"none of the 1 perturbed genes \(tp53\).*case only"):
        check_overlap(_data(["tp53", "mdm2"]), kb)
