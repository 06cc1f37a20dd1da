"""The arms: the method with its stages and bounds, and the rivals, as functions of a fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.config import Config
from aligned.data import Rows, genomic_order
from aligned.knowledge import KnowledgeBase
from aligned.loop import Aligned, Phase, Prediction, Yardsticks
from companion.edits import net_edits
from companion.engine import Fold, Outcome
from companion.rivals import RIVALS, else_direct_edges
from companion.topology import rewired

__all__ = ["ALIGNED", "CLEANED", "CONTROL", "ELSE_NETWORK", "PERFECT", "Method", "Rivals"]

#: The method's name in tables, and the control that aligns twice without refining.
ALIGNED, CONTROL = "ALIGNED", "A-A"
#: Our model where direct edges are silent; and two lines that see the answers.
ELSE_NETWORK = "KB else network"
CLEANED, PERFECT = "deductions without their errors", "a perfect adapter"

#: Networks that a fit may be given instead of the true one.
NETWORKS: dict[str, Callable[[KnowledgeBase, int], KnowledgeBase]] = {
    "given": lambda kb, seed: kb,
    "rewired": rewired,
}


@dataclass(frozen=True)
class Method:
    """`Aligned` with its stages; ``control`` adds A-A, forked from A.

    Parameters
    ----------
    config : Config
        The fold's seed replaces its own.
    schedule : str
    hide : float
        Share of edges hidden from the method; then the held-out yardstick is counted too.
    network : str
        One of `NETWORKS`. Yardsticks stay those of the true network.
    name : str
        Value of the column ``arm``.
    """

    config: Config
    schedule: str = "A-R-A-R"
    control: bool = True
    hide: float = 0.0
    network: str = "given"
    name: str = ALIGNED

    def __call__(self, fold: Fold) -> Outcome:
        """Fit on the fold, count after every phase, and look at who was trusted after A."""
        config = self.config.replace(seed=fold.seed)
        given = NETWORKS[self.network](fold.kb, fold.seed)
        if self.hide:
            given, _ = fold.kb.hold_out(self.hide, seed=fold.seed)
        found = Outcome(fold, Yardsticks(fold.closing, fold.kb))
        complete = fold.kb if self.hide else None
        alone = Aligned(config).fit(
            fold.data, given, "network", yardstick=fold.yardstick, complete_kb=complete
        )
        partner = alone.predict(fold.test.x).neural  # its threshold: as partner of symbols
        aligned = alone.extend(self.schedule.split("-")[0])
        model = aligned.fork().extend(self.schedule)
        phases = list(model.phases)
        if self.control:
            phases.append(aligned.fork().extend(CONTROL).phases[-1])
        for phase in phases:
            self._count(found, phase)
        called = {
            ELSE_NETWORK: else_direct_edges(partner, fold.test, given, model.ensemble.columns)
        }
        said = aligned.predict(fold.test.x)
        right = (said.symbolic == fold.test.y) & (said.symbolic != 0)
        called[PERFECT] = np.where(right, said.symbolic, said.neural).astype(np.int8)
        delta, _ = found.deductions["original"]
        called[CLEANED] = np.where(delta == fold.test.y, delta, 0).astype(np.int8)
        for name, calls in called.items():
            found.add(name, calls, objective=config.objective)
        tried = model.problem.tried
        best = np.arange(len(tried)) == int(tried["objective"].to_numpy().argmax())
        more = {
            "closures": tried.assign(chosen=best),
            "edits": net_edits(given, model.kb, model.edits),
            "trust": _trust(aligned, said, fold.test),
            "cells": _cells(aligned, said, fold.test),
        }
        found.more = {
            name: table.assign(arm=self.name, tuned_for=config.objective)
            for name, table in more.items()
        }
        return found

    def _count(self, found: Outcome, phase: Phase) -> None:
        fold, objective = found.fold, self.config.objective
        for score, called in phase.predictions.items():
            found.add(self.name, called[fold.scored], phase.stage, score, objective)
            for yardstick in ("refined", "heldout"):
                counts = phase.confusions.get((score, yardstick))
                if counts is not None and self.network == "given":
                    key = (self.name, phase.stage, score, objective, yardstick)
                    found.counts[key] = counts[fold.scored]
        found.fits.append(
            {"arm": self.name, "stage": phase.stage, "objective": objective}
            | {"n_edits": phase.n_edits}
        )


@dataclass(frozen=True)
class Rivals:
    """Rivals that are fitted together on one fold, each tuned for the config's objective."""

    names: tuple[str, ...]
    config: Config
    hide: float = 0.0
    suffix: str = ""

    def __call__(self, fold: Fold) -> Outcome:
        """Fit every rival on the training conditions; its prediction sees no label."""
        config = self.config.replace(seed=fold.seed)
        given = fold.kb.hold_out(self.hide, seed=fold.seed)[0] if self.hide else fold.kb
        complete = fold.kb if self.hide else None
        order = genomic_order(fold.whole) if "start" in fold.whole.var else None
        found = Outcome(fold, Yardsticks(fold.closing, given, complete))
        for name in self.names:
            rival = RIVALS[name](given, fold.measured, fold.yardstick, config, genome=order)
            called = rival.fit(fold.train).predict(fold.test)
            found.add(f"{name}{self.suffix}", called, objective=config.objective)
            found.fits.append(
                {"arm": f"{name}{self.suffix}", "stage": "", "objective": config.objective}
                | {"copies": bool(rival.copies_yardstick)}
            )
        return found


def _clash(model: Aligned, said: Prediction, test: Rows) -> npt.NDArray[np.bool_]:
    """Cells where there is something to choose: both sides speak, and differ."""
    clash = (said.neural != said.symbolic) & test.counted
    return clash & (said.symbolic != 0) if model.config.speak_only else clash


def _trust(model: Aligned, said: Prediction, test: Rows) -> pd.DataFrame:
    """Per condition: cells, cells that use symbols, and who was right where the two disagree."""
    clash = _clash(model, said, test)
    network, symbols = said.neural == test.y, said.symbolic == test.y
    cells = {
        "cells": test.counted,
        "used": (said.adapter == 1) & test.counted,
        "clash": clash,
        "chosen": np.where(said.adapter == 1, symbols, network) & clash,
        "network": network & clash,
        "symbols": symbols & clash,
        "oracle": (network | symbols) & clash,
    }
    counts = {name: mask.sum(axis=1).astype(np.int32) for name, mask in cells.items()}
    return pd.DataFrame({"condition": test.names.astype(str), **counts})


def _cells(model: Aligned, said: Prediction, test: Rows) -> pd.DataFrame:
    """Every cell of disagreement: who is right, who is chosen, and three reasons to trust."""
    clash = _clash(model, said, test) & (said.symbolic != 0)
    row = clash.nonzero()[0]
    trust = np.mean([out.adapter for out in model.ensemble.outputs(test.x)], axis=0)
    network, symbols = (side[clash] == test.y[clash] for side in (said.neural, said.symbolic))
    return pd.DataFrame(
        {
            "condition": test.names.astype(str).to_numpy()[row],
            "network": network,
            "symbols": symbols,
            "chosen": np.where(said.adapter[clash] == 1, symbols, network),
            "changed": test.y[clash] != 0,
            "adapter": trust[clash].astype(np.float32),
            "weight": np.broadcast_to(model.problem.w, clash.shape)[clash].astype(np.float32),
            "doubt": 1 - said.probabilities.max(axis=2)[clash],
        }
    )
