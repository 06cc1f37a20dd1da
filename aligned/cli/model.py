"""``aligned fit``, ``predict`` and ``explain``: a model, what it says, and why."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from aligned.cli import output
from aligned.cli.output import Device
from aligned.cli.tables import print_table
from aligned.files import (
    check_place,
    contents,
    disk_fault,
    lock,
    new_folder,
    recover,
    swap,
    write_file,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    from anndata import AnnData

    from aligned.cli.inputs import Inputs
    from aligned.config import Config
    from aligned.loop import Aligned, Explanation, Prediction

__all__ = ["add_to"]

_WORDS = {-1: "down", 0: "unchanged", 1: "up"}


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(fit)
    app.command()(predict)
    app.command()(explain)


# ---------------------------------------------------------------------------------------- fit


def fit(
    data: str = typer.Option(..., "--data", help="demo, ecoli, a folder, or a .h5ad file."),
    kb: str = typer.Option(
        "", "--kb", help="Edges (source,target,sign); default: the network the data bring."
    ),
    out: str = typer.Option(..., "--out", help="Folder for the model."),
    schedule: str = typer.Option(
        "A-R-A-R", "--schedule", help="Phases A and R joined by '-', or auto, or network."
    ),
    setting: list[str] = typer.Option(
        [], "--config", "-c", help="key=value for a setting of aligned.Config; may be repeated."
    ),
    preset: str = typer.Option("default", "--preset", help="default, or paper: as published."),
    seed: int = typer.Option(None, "--seed", min=0, help="Seed of everything random."),
    device: Device = typer.Option(None, "--device", help="Where networks are trained."),
    max_rounds: int = typer.Option(5, "--max-rounds", min=1, help="Limit of --schedule auto."),
    resume: bool = typer.Option(
        False, "--resume", help="Go on after the last finished phase, if there is one."
    ),
    force: bool = typer.Option(False, "--force", help="Replace an earlier run in --out."),
) -> None:
    """Fit a model on the training conditions; score it on the held-out ones after every phase.

    The folder holds the model, history.csv, edits.csv, edges.csv (the refined network),
    predictions.parquet (held-out conditions), a model per finished phase in checkpoints/ and
    run.json. Until the end it is called OUT.unfinished; --resume goes on from there, or lengthens
    the schedule of a finished run.

    Example: aligned fit --data demo --out runs/demo --schedule A-R
    """
    from aligned.cli.inputs import read_inputs
    from aligned.loop import Aligned, parse_schedule
    from aligned.neural import pick_device
    from aligned.records import run_record

    started, target = time.monotonic(), output.absolute(out)
    phases = parse_schedule(schedule)
    config = _config(preset, data, setting, seed, device)
    used = str(pick_device(config.device))
    _check_target(target, resume, force)
    inputs = read_inputs(data, kb)
    asked: dict[str, Any] = {
        "command": "fit",
        "data": data,
        "kb": kb or None,
        "schedule": schedule,
        "max_rounds": max_rounds if phases is None else None,
        "preset": preset,
        "config": config.to_dict(),
        "yardstick": inputs.yardstick,
    }
    with lock(target), disk_fault(target):
        _check_target(target, resume, force)  # another fit may have ended there meanwhile
        with _Workshop(target, resume) as workshop:
            model = Aligned(config).fit(
                inputs.data,
                inputs.kb,
                schedule,
                yardstick=inputs.yardstick,
                max_rounds=max_rounds,
                checkpoint=workshop.checkpoints,
                resume=resume,
                progress=sys.stderr.isatty(),
            )
            asked |= {
                "closure": dataclasses.asdict(model.problem.closing),
                "stages": [p.stage for p in model.phases],
            }
            seconds = time.monotonic() - started
            record = run_record(asked, inputs.data, inputs.kb, seconds, device=used)
            workshop.finish(model, record, _held_out(model, inputs))
    _report_fit(model, target)


def _config(
    preset: str, data: str, words: list[str], seed: int | None, device: Device | None
) -> Config:
    from aligned.cli.inputs import settings
    from aligned.config import Config

    changes = settings(words)
    changes |= {} if seed is None else {"seed": seed}
    changes |= {} if device is None else {"device": device.value}
    if preset == "default":
        return Config(**changes)
    if preset == "paper":
        return Config.paper(data, **changes)
    raise ValueError(f"there is no preset {preset!r}; use default or paper.")


def _check_target(target: Path, resume: bool, force: bool) -> None:
    if resume and force:
        raise ValueError("--resume keeps what --force throws away; give one of them.")
    unfinished = _unfinished(target)
    recover(target)
    if not resume:
        output.check_folder(target, force)
        left = {path.name for path in contents(unfinished)} if unfinished.is_dir() else set()
        if not force and (_stages(unfinished) or left - {"checkpoints"}):
            raise ValueError(
                f"{unfinished} holds the finished phases of an earlier run; go on with --resume, "
                "or start anew with --force."
            )
    elif target.exists() and not (target / "checkpoints").is_dir():
        raise ValueError(
            f"{target} holds no run that could be resumed; name the folder of one, or a new one."
        )
    else:
        from aligned.records import check_replaceable

        check_replaceable(target)
        check_place(target)


def _unfinished(target: Path) -> Path:
    return target.with_name(target.name + ".unfinished")


def _stages(folder: Path) -> set[str]:
    """Finished phases of a run."""
    found = (folder / "checkpoints").glob("*/model.json")
    return {path.parent.name for path in found if not path.parent.name.startswith(".")}


class _Workshop:
    """Where a fit works: a folder beside the target, which takes its name when all is done."""

    def __init__(self, target: Path, resume: bool) -> None:
        self.target, self.folder = target, _unfinished(target)
        self.checkpoints = self.folder / "checkpoints"
        if not resume:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.copied = resume and target.exists() and not _stages(self.folder)
        if self.copied:
            with new_folder(self.checkpoints) as part:
                shutil.copytree(target / "checkpoints", part, dirs_exist_ok=True)
        self.before = _stages(self.folder)

    def finish(self, model: Aligned, record: dict[str, Any], predictions: pd.DataFrame) -> None:
        """Write everything, then give the folder its name."""
        from aligned.records import write_record

        shutil.rmtree(self.folder / "model", ignore_errors=True)  # of a run that was killed here
        for path in model.save(self.folder / "model").iterdir():
            path.replace(self.folder / path.name)
        (self.folder / "model").rmdir()
        if len(predictions):
            predictions.to_parquet(self.folder / "predictions.parquet", index=False)
        write_record(record, self.folder / "run.json")
        swap(self.folder, self.target)

    def __enter__(self) -> _Workshop:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            return
        stages = _stages(self.folder)
        if not stages or (self.copied and stages == self.before):
            shutil.rmtree(self.folder, ignore_errors=True)
        elif stages != self.before:
            output.say(
                f"the phases finished so far are in {self.folder}; go on with the same command "
                "and --resume."
            )


def _held_out(model: Aligned, inputs: Inputs) -> pd.DataFrame:
    import pandas as pd

    rows = model.problem.test
    if not len(rows):
        return pd.DataFrame()
    return _long(model, model.predict(rows.x), list(map(str, rows.names)))


def _long(model: Aligned, said: Prediction, conditions: list[str]) -> pd.DataFrame:
    """The long table of a prediction, with the genes' names."""
    import numpy as np

    table = said.to_frame(conditions)
    names = [model.kb.names.get(gene, gene) for gene in said.genes]
    table.insert(2, "name", np.tile(names, len(conditions)))
    return table


def _report_fit(model: Aligned, target: Path) -> None:
    history = model.history
    keys = ["stage", "score"]
    original, refined = (history[history["yardstick"] == y] for y in ("original", "refined"))
    table = original[[*keys, "f_d", "f_k", "balanced"]].merge(
        refined[[*keys, "f_k", "n_edits"]].rename(columns={"f_k": "f_k refined"}), on=keys
    )
    closing = model.problem.closing
    print_table(table.rename(columns={"n_edits": "edits"}), digits=3)
    typer.echo(
        f"scored on:  {history['rows'].iloc[0]} conditions; f_k against the network as given"
    )
    typer.echo(f"closure:    k = {closing.k}, {closing.rule}")
    for note in model.notes:
        typer.echo(f"note:       {note}")
    typer.echo(f"model:      {target}")


# ------------------------------------------------------------------------------------ predict


def predict(
    run: str = typer.Argument(help="Folder of a model, or one of its checkpoints."),
    perturb: list[str] = typer.Option(
        ..., "--perturb", help="Genes with - (knock-out or -down) or + (over-expression)."
    ),
    out: str = typer.Option("", "--out", help="All genes as .csv, .tsv, .parquet or .h5ad."),
    top: int = typer.Option(5, "--top", min=0, help="Genes to name per perturbation."),
    seed: int = typer.Option(
        None, "--seed", min=0, help="Accepted everywhere; nothing is drawn here."
    ),
    device: Device = typer.Option(None, "--device", help="Where the models run."),
    force: bool = typer.Option(False, "--force", help="Replace an existing --out."),
) -> None:
    """Predict the response of every measured gene to one or more perturbations.

    On stdout: how many genes go down and up, how many of these calls were left to the network of
    knowledge, and the called genes with the highest probability. In --out: the long table
    condition, gene, name, neural, symbolic, adapter, fused, p_down, p_up.

    Example: aligned predict runs/ecoli --perturb "crp-" --perturb "crp-,fnr+"
    """
    from aligned.cli.inputs import label, parse_perturbation, read_model
    from aligned.records import run_record, write_record

    started, target = time.monotonic(), output.absolute(out) if out else None
    if target is not None:
        output.check_file(target, force, (*output.TABLES, ".h5ad"))
    model = read_model(run, None if device is None else device.value)
    asked = [parse_perturbation(text, model.kb) for text in perturb]
    wanted = {label(one, model.kb): one for one in asked}
    said = model.predict(list(wanted.values()))
    print_table(_short(model, said, wanted, top), digits=3)
    if target is None:
        return
    if target.suffix == ".h5ad":
        made = _as_anndata(model, said, list(wanted))
        write_file(target, made.write_h5ad)
    else:
        output.write_table(_long(model, said, list(wanted)), target)
    record = run_record(
        {
            "command": "predict",
            "run": run,
            "perturb": list(wanted),
            "config": model.config.to_dict(),
        },
        kb=model.kb,
        seconds=time.monotonic() - started,
        device=str(model.ensemble.device),
    )
    write_record(record, target.with_name(target.name + ".run.json"), [target])
    typer.echo(f"all genes: {target}")


def _short(
    model: Aligned, said: Prediction, wanted: dict[str, dict[str, int]], top: int
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    rows = []
    for i, (name, perturbed) in enumerate(wanted.items()):
        other = ~np.isin(said.genes, list(perturbed))
        called = said.fused[i] * other
        rows.append(
            {
                "perturbation": name,
                "down": int((called == -1).sum()),
                "up": int((called == 1).sum()),
                "by knowledge": int(((said.adapter[i] == 1) & (called != 0)).sum()),
                "most probable": _most_probable(model, said, i, called, top),
            }
        )
    return pd.DataFrame(rows)


def _most_probable(
    model: Aligned, said: Prediction, i: int, called: npt.NDArray[np.int8], top: int
) -> str:
    """Called genes with the model's probability of the called direction, highest first."""
    import numpy as np

    p = np.where(called == 1, said.probabilities[i, :, 2], said.probabilities[i, :, 0])
    order = [j for j in np.argsort(-p, kind="stable") if called[j] != 0][:top]
    genes = [model.kb.names.get(said.genes[j], said.genes[j]) for j in order]
    signs = ["+" if called[j] > 0 else "-" for j in order]
    return ", ".join(f"{g}{s} {p[j]:.2f}" for g, s, j in zip(genes, signs, order, strict=True))


def _as_anndata(model: Aligned, said: Prediction, conditions: list[str]) -> AnnData:
    import pandas as pd
    from anndata import AnnData

    names = [model.kb.names.get(gene, gene) for gene in said.genes]
    return AnnData(
        said.fused,
        obs=pd.DataFrame(index=conditions),
        var=pd.DataFrame({"name": names}, index=list(said.genes)),
        layers={
            "neural": said.neural,
            "symbolic": said.symbolic,
            "adapter": said.adapter,
            "p_down": said.probabilities[:, :, 0],
            "p_up": said.probabilities[:, :, 2],
        },
    )


# ------------------------------------------------------------------------------------ explain


def explain(
    run: str = typer.Argument(help="Folder of a model, or one of its checkpoints."),
    perturb: str = typer.Option(..., "--perturb", help="One perturbation, such as crp-,fnr+."),
    gene: str = typer.Option(..., "--gene", help="A measured gene, id or name."),
    limit: int = typer.Option(
        10, "--limit", min=1, help="At most this many paths, shortest first."
    ),
    out: str = typer.Option("", "--out", help="The paths as .csv, .tsv or .parquet."),
    seed: int = typer.Option(
        None, "--seed", min=0, help="Accepted everywhere; nothing is drawn here."
    ),
    device: Device = typer.Option(None, "--device", help="Where the models run."),
    force: bool = typer.Option(False, "--force", help="Replace an existing --out."),
) -> None:
    """Say why a gene is predicted as it is: both opinions, the choice, and the regulatory paths.

    Example: aligned explain runs/ecoli --perturb "fnr-" --gene narG
    """
    from aligned.cli.inputs import find_gene, parse_perturbation, read_model

    target = output.absolute(out) if out else None
    if target is not None:
        output.check_file(target, force)
    model = read_model(run, None if device is None else device.value)
    perturbation = parse_perturbation(perturb, model.kb)
    found = model.explain(perturbation, find_gene(gene, model.kb), limit=limit)
    _report_explanation(model, perturbation, found)
    if target is not None:
        output.write_table(found.paths, target)
        typer.echo(f"paths: {target}")


def _report_explanation(model: Aligned, perturbation: dict[str, int], found: Explanation) -> None:
    from aligned.cli.inputs import label

    name, asked = model.kb.names.get(found.gene, found.gene), label(perturbation, model.kb)
    shown = name if name == found.gene else f"{name} ({found.gene})"
    used = "knowledge" if found.trusts_kb else "network"
    opinions = {
        "network": f"p(down) {found.p_down:.2f}, p(up) {found.p_up:.2f}",
        "knowledge": _reading(model, found),
    }
    typer.echo(f"{shown} under {asked}: {_WORDS[found.fused]}")
    calls = (found.neural, found.symbolic)
    for (who, why), call in zip(opinions.items(), calls, strict=True):
        mark = f"; used here, weight w = {found.weight:.2f}" if who == used else ""
        typer.echo(f"  {who:<9}  {_WORDS[call]:<9}  {why}{mark}")
    if len(found.paths):
        print_table(found.paths, digits=3)


def _reading(model: Aligned, found: Explanation) -> str:
    closing = model.problem.closing
    reach = f"k = {closing.k}, {closing.rule}"
    if not len(found.paths):
        return f"no path within {reach}"
    if found.symbolic == 0:
        return f"paths of both signs ({reach}): ambiguous, so it is silent"
    return f"the paths below ({reach})"
