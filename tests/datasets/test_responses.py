"""Responses from a table made by hand: what is read, and what is refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aligned.data.responses import read_responses

TABLE = """condition,perturbation,fnr,narG,ndh
no oxygen sensor,fnr-,-1,-1,1
both,"crp-, fnr+",1,1,
crp up,crp+,0,0,0
"""


def _read(folder: Path, text: str, threshold: float | None = None, name: str = "r.csv"):  # type: ignore[no-untyped-def]
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_responses(path, threshold)


def test_a_ternary_table(tmp_path: Path) -> None:
    data = _read(tmp_path, TABLE)
    assert list(data.obs_names) == ["no oxygen sensor", "both", "crp up"]
    assert list(data.obs["perturbation"]) == ["fnr-", "crp-,fnr+", "crp+"]
    assert list(data.var_names) == ["fnr", "narG", "ndh"]
    assert list(data.uns["genes"]) == ["fnr", "narG", "ndh", "crp"]  # crp was not measured
    assert data.X.tolist() == [[-1, -1, 1], [1, 1, 0], [0, 0, 0]]
    assert data.layers["observed"].tolist() == [[True] * 3, [True, True, False], [True] * 3]
    x = data.obsm["perturbation"].toarray()
    assert x.tolist() == [[-1, 0, 0, 0], [1, 0, 0, -1], [0, 0, 0, 1]]
    assert "logfc" not in data.layers


def test_fold_changes_and_their_threshold(tmp_path: Path) -> None:
    text = "perturbation;a;b\na-;-2,5;0,4\nb-;1,0;-0,99\n"  # a spreadsheet with decimal commas
    with pytest.raises(ValueError, match=r"other than -1, 0 and 1; .*--threshold 1\."):
        _read(tmp_path, text)
    data = _read(tmp_path, text, threshold=1.0)
    assert data.X.tolist() == [[-1, 0], [1, 0]]
    np.testing.assert_allclose(data.layers["logfc"], [[-2.5, 0.4], [1.0, -0.99]], rtol=1e-6)
    assert list(data.obs_names) == ["a-", "b-"]


def test_names_without_a_column_for_them(tmp_path: Path) -> None:
    data = _read(tmp_path, "perturbation,a\na-,0\na-,1\na- b\N{MINUS SIGN},1\n")
    assert list(data.obs_names) == ["a-", "a- (2)", "a-_b-"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", r"is empty \(0 bytes\)"),
        ("gene,c1,c2\na,1,0\n", r"lacks the column perturbation .*turn the table"),
        ("perturbation,a\nwild type,0\n", r"row 2 of .* the perturbation 'wild type'.*controls"),
        ("perturbation,a\n,0\n", r"row 2 of .* the perturbation 'nan'"),
        ("perturbation,a,a\na-,0,1\n", r"has the gene 'a' twice"),
        ("perturbation,a,\na-,0,1\n", r"has a column without name"),
        ("condition,perturbation,a\nx,a-,0\nx,a+,1\n", r"same name for several .*\('x'\)"),
        ("perturbation,a\na-,up\n", r"has 'up' at condition 'a-', gene 'a' \(1 such cells\)"),
        ("perturbation\na-\n", r"has 1 conditions and 0 genes"),
        ("perturbation,a\n", r"has 0 conditions and 1 genes"),
        ("perturbation,n_replicates,a\na-,0,1\n", r"obs\['n_replicates'\] is 0"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, answer: str) -> None:
    with pytest.raises(ValueError, match=answer):
        _read(tmp_path, text)
