"""Seconds per epoch and per whole run of the method: ``python -m benchmarks.training``.

The reference is the same network as a plain training loop (`Plain`): supervised loss alone, and for
the graph network the convolution over all genes in every step, on a dense graph, instead of once
on the perturbed genes. Before anything is timed both must give the same logits.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer
from anndata import AnnData
from torch import nn

import aligned as al
from aligned.config import Config
from aligned.data import folds
from aligned.knowledge import KnowledgeBase
from aligned.loop.problem import Problem
from aligned.loop.training import Ensemble
from aligned.neural import cross_entropy, pick_device
from aligned.records import run_record, write_record
from aligned.simulate import simulate
from benchmarks.measure import median_seconds

OUT = Path(__file__).resolve().parents[1] / "results" / "benchmarks"
COLUMNS = [
    *("case", "model", "n", "rows", "device", "threads"),
    *("what", "seconds", "reference_seconds", "ratio"),
]
KEY = COLUMNS[:7]
#: Epochs in a row that are timed together, so that setting up is shared as it is in a fit.
EPOCHS = 5
#: Largest difference between our logits and the reference's that counts as rounding.
ROUNDING = 1e-4


def main(
    n: Annotated[int, typer.Option(help="Genes of the case `epoch`.")] = 4000,
    rows: Annotated[str, typer.Option(help="Conditions of the case `epoch`.")] = "200,1000",
    edition: Annotated[str, typer.Option(help="Data of the whole run; empty: none.")] = "ecoli",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Threads, for ours and the reference alike.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder of training.csv and its record.")] = OUT,
) -> None:
    """Time an epoch beside the reference, and a whole A-R-A-R of one fold; write one table."""
    torch.set_num_threads(threads)
    begin, load = time.perf_counter(), os.getloadavg()[0]
    where = {"device": device, "threads": threads}
    found = []
    for b in map(int, rows.split(",")):
        sim = study(n, b)
        for model in ("mlp", "gnn"):
            size = {"case": "epoch", "model": model, "n": n, "rows": b}
            found.append({**size, **where, **epoch(sim, model, device)})
            print(found[-1], file=sys.stderr)
    if edition:
        found += [{**row, **where} for row in whole(edition, device)]
    out.mkdir(parents=True, exist_ok=True)
    table = into_table(found, out / "training.csv")
    table.to_csv(out / "training.csv", index=False, float_format="%.4g")
    records = out / "training.json"
    written = json.loads(records.read_text()) if records.exists() else {}
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    asked = {"n": n, "rows": rows, "edition": edition, "threads": threads}
    written[f"training on {name}"] = run_record(
        {**asked, "load_before": round(load, 2)}, seconds=time.perf_counter() - begin, device=name
    )
    write_record(written, records, [out / "training.csv"])
    print(table.to_string(index=False))


def into_table(rows: list[dict[str, object]], path: Path) -> pd.DataFrame:
    """The table at ``path`` with these rows; each replaces an older one of the same kind."""
    parts = [pd.DataFrame(rows, columns=COLUMNS)]
    if path.exists():
        parts.insert(0, pd.read_csv(path))
    table = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    return table.drop_duplicates(KEY, keep="last").sort_values(KEY, ignore_index=True)


# ---------------------------------------------------------------------------------- one epoch


def study(n: int, rows: int) -> tuple[AnnData, KnowledgeBase]:
    """A simulated study of n genes with this many conditions, all for training.

    Conditions are drawn from those of the study, again and again where it has fewer.
    """
    sim = simulate(n_genes=n, n_regulators=min(300, n // 4), seed=0)
    drawn = np.random.default_rng(0).choice(sim.data.n_obs, rows, replace=rows > sim.data.n_obs)
    data = sim.data[np.sort(drawn)].copy()
    data.obs_names_make_unique()
    data.obs["split"] = "train"
    return data, sim.kb


class Plain(nn.Module):
    """The reference: the response head alone, features made anew in every step (dense graph)."""

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        ours, graph = ensemble.models[0], ensemble.graph
        self.layers = ours.trunk
        self.head = ours.response
        self.hops = ensemble.config.hops
        dense = None if graph is None else torch.from_numpy(graph.toarray())
        self.register_buffer("graph", None if dense is None else dense.to(ensemble.device))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Perturbations (b, n) -> logits (b, 3, m)."""
        z = x
        if self.graph is not None:
            states = [x]
            for _ in range(self.hops):
                states.append(states[-1] @ self.graph)
            z = torch.stack(states).mean(dim=0)
        return self.head(self.layers(z)).view(len(x), 3, -1)


def epoch(sim: tuple[AnnData, KnowledgeBase], model: str, device: str) -> dict[str, object]:
    """Seconds in which every training row is seen once, in minibatches; ours and the reference.

    Ours also learns the adapter, on the same rows.
    """
    data, kb = sim
    config = Config(model=model, n_networks=1, decision="argmax", device=device)
    problem = Problem.build(data, kb, config, None)
    steps = -(-len(problem.train) // config.batch_size)
    config = config.replace(network_steps=EPOCHS * steps)
    ensemble = Ensemble(problem, kb, config, pick_device(device))
    plain = Plain(ensemble)
    x = torch.from_numpy(problem.train.x.toarray().astype(np.float32)).to(ensemble.device)
    y = torch.from_numpy(problem.train.y).to(ensemble.device)
    seen = torch.from_numpy(problem.train.observed).to(ensemble.device)
    check_same(ensemble, plain, problem, x)
    optimiser = torch.optim.AdamW(plain.parameters(), lr=config.learning_rate)

    def reference() -> None:
        for _ in range(EPOCHS):
            for batch in torch.randperm(len(x)).split(config.batch_size):
                loss = cross_entropy(plain(x[batch]), y[batch], seen[batch])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()

    finish = torch.cuda.synchronize if device == "cuda" else None
    mine = median_seconds(lambda: ensemble.supervise(kb), finish) / EPOCHS
    theirs = median_seconds(reference, finish) / EPOCHS
    return {
        "what": "one epoch",
        "seconds": mine,
        "reference_seconds": theirs,
        "ratio": theirs / mine,
    }


def check_same(ensemble: Ensemble, plain: Plain, problem: Problem, x: torch.Tensor) -> None:
    """Stop where the two networks, with the same weights, do not say the same."""
    with torch.no_grad():
        ours = ensemble.models[0](ensemble.encode(problem.train.x))[0]
        gap = float((ours - plain(x)).abs().max())
    if not gap <= ROUNDING:
        raise SystemExit(f"the reference differs from our network by {gap:.2g}; nothing is timed.")


# ---------------------------------------------------------------------------------- a whole run


class Timed(al.Aligned):
    """The method, with the seconds that its refinements take."""

    refining = 0.0

    def _refine(self) -> None:
        begin = time.perf_counter()
        super()._refine()
        self.refining += time.perf_counter() - begin


def whole(edition: str, device: str) -> list[dict[str, object]]:
    """One fold and seed from data in memory to scores: A-R-A-R, and its refinements alone."""
    bundle = al.load(edition)
    data = bundle.data.copy()
    data.obs["split"] = folds(data, "control_safe", 5, 0).iloc[:, 0]
    model = Timed(Config(device=device))
    begin = time.perf_counter()
    model.fit(data, bundle.kb, "A-R-A-R", yardstick=dict(bundle.yardstick))
    seconds = time.perf_counter() - begin
    size = {
        "case": edition, "model": model.config.model, "n": len(bundle.kb.genes),
        "rows": len(model.problem.train),
    }  # fmt: skip
    return [
        {**size, "what": "A-R-A-R, one fold", "seconds": seconds},
        {**size, "what": "its two refinements", "seconds": model.refining},
    ]


if __name__ == "__main__":
    typer.run(main)
