"""Originals for the tests that need them, a toy AnnData, and a small web server."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import yaml

from aligned import data as datasets
from aligned.data import registry
from companion.editions import human_tf
from companion.editions.ecoli import Originals, originals, read_recipe

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder with the originals, or skip."""
    named = os.environ.get(registry.MIRROR_VARIABLE)
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data" / "raw"
    if not folder.is_dir():
        pytest.skip(f"the originals are not here; set {registry.MIRROR_VARIABLE} to a folder")
    return folder


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder with what a correct recipe produces, or skip."""
    folder = CHECKOUT.parent / "shared" / "data" / "reference" / "ecoli"
    if not folder.is_dir():
        pytest.skip("the reference tables of the edition ecoli are not here")
    return folder


@pytest.fixture(scope="session")
def ecoli_paths(mirror: Path) -> dict[str, Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(registry.MIRROR_VARIABLE, str(mirror))
        return registry.fetch("ecoli")


@pytest.fixture(scope="session")
def ecoli_originals(ecoli_paths: dict[str, Path]) -> Originals:
    return originals(ecoli_paths, read_recipe())


@pytest.fixture(scope="session")
def ecoli_bundle(mirror: Path) -> datasets.Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(registry.MIRROR_VARIABLE, str(mirror))
        return datasets.load("ecoli")


@pytest.fixture(scope="session")
def human_paths(mirror: Path) -> dict[str, Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(registry.MIRROR_VARIABLE, str(mirror))
        return registry.fetch("human_tf")


@pytest.fixture(scope="session")
def human_originals(human_paths: dict[str, Path]) -> human_tf.Originals:
    return human_tf.originals(human_paths, human_tf.read_recipe())


@pytest.fixture(scope="session")
def human_bundle(mirror: Path) -> datasets.Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(registry.MIRROR_VARIABLE, str(mirror))
        return datasets.load("human_tf")


@pytest.fixture
def toy() -> anndata.AnnData:
    """Three conditions (one double), four measured genes, five genes in all: keeps the contract."""
    genes = np.array(["g1", "g2", "g3", "g4", "tf"])
    x = np.zeros((3, 5), dtype=np.int8)
    x[0, 4], x[1, 0], x[2, [0, 4]] = -1, 1, (-1, 1)
    observed = np.ones((3, 4), dtype=bool)
    observed[0, 1] = False
    data = anndata.AnnData(
        np.array([[1, 0, -1, 0], [1, 0, 0, 0], [0, -1, 0, 1]], dtype=np.int8),
        obs=pd.DataFrame(
            {
                "perturbation": ["TF-", "A+", "A-,TF+"],
                "n_replicates": [2, 3, 1],
                "split": ["train", "train", "test"],
            },
            index=["ko_tf", "oe_1", "double"],
        ),
        var=pd.DataFrame({"name": ["A", "B", "C", "D"], "go_count": [3, 0, 1, 2]}, index=genes[:4]),
        layers={"observed": observed},
        obsm={"perturbation": sp.csr_matrix(x)},
    )
    data.uns["genes"] = genes
    return data


@pytest.fixture
def edges() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "source": ["tf", "tf", "g1"],
            "target": ["g1", "g3", "g2"],
            "sign": [1, -1, 1],
            "evidence": ["toy", "toy", "toy"],
        }
    )


class _Server:
    """Serves what the test puts into `pages`: path -> (status, type, body, announced length)."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, str, bytes, int | None]] = {}
        self.asked: list[str] = []
        pages, asked = self.pages, self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                missing = (404, "text/plain", b"404: Not Found", None)
                status, kind, body, length = pages.get(self.path, missing)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if length != -1:
                    self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                with suppress(ConnectionError):  # a reader may stop before the end
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    made = _Server()
    yield made
    made.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and no mirror."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(registry.CACHE_VARIABLE, str(folder))
    monkeypatch.delenv(registry.MIRROR_VARIABLE, raising=False)
    return folder


@pytest.fixture
def make_registry(tmp_path: Path) -> Callable[..., Path]:
    """Write a registry with one file, `table.csv`."""

    def make(url: str, sha256: str, size: int) -> Path:
        entry = {
            "name": "table.csv",
            "url": f"{url}/table.csv",
            "sha256": sha256,
            "bytes": size,
            "licence": "CC BY 4.0",
            "citation": "doi:10.1000/toy",
            "content": "a toy",
            "terms": "Academic use.",
            "editions": ["toy"],
        }
        path = tmp_path / "registry.yaml"
        path.write_text(yaml.safe_dump({"files": [entry]}), encoding="utf-8")
        return path

    return make
