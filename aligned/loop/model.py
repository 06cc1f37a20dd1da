"""The loop: align, refine, align, refine — and what can be asked of the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from tqdm import tqdm

from aligned.alignment import fuse
from aligned.config import Config
from aligned.data.bundle import check_yardstick
from aligned.data.rows import Rows
from aligned.decisions import decide
from aligned.files import lock, tidy
from aligned.knowledge import KnowledgeBase, Rule
from aligned.loop import store
from aligned.loop.problem import SCORES, Problem
from aligned.loop.records import Phase, Prediction, Yardsticks, score_phase
from aligned.loop.schedule import parse_schedule, stage_name
from aligned.loop.training import Ensemble
from aligned.neural import mean_probabilities, pick_device
from aligned.refine import RefineConfig, refine

__all__ = ["Aligned", "Explanation"]

#: Stage names of the two phases before the schedule starts.
INIT, NETWORK = "init", "network"

EDIT_COLUMNS = ["stage", "source", "target", "before", "after", "gain"]


@dataclass(frozen=True)
class Explanation:
    """Why a gene is predicted as it is: the call of each side, the choice, and the paths.

    Attributes
    ----------
    neural, symbolic, fused : int
    p_down, p_up : float
        The model's probabilities.
    trusts_kb : bool
        Whether the adapter preferred the deduction.
    weight : float
        The gene's weight w.
    paths : DataFrame
        ``sign, length, path, evidence``, shortest first (`KnowledgeBase.explain`).
    """

    gene: str
    neural: int
    symbolic: int
    fused: int
    p_down: float
    p_up: float
    trusts_kb: bool
    weight: float
    paths: pd.DataFrame


class Aligned:
    """Adaptive data-knowledge alignment: a neural model, a GRN, and an adapter that chooses.

    A refinement changes what is deduced; the graph that a GNN passes embeddings over stays that of
    the network as it was given.

    Parameters
    ----------
    config : Config, optional
        Settings; defaults are ours, `Config.paper` the published ones.

    Attributes
    ----------
    kb : KnowledgeBase
        The current (refined) network.
    history : DataFrame
        One row per stage × score × yardstick: ``f_d, f_k, balanced, n_edits`` on the test rows (or,
        where there are none, on the training rows: column ``rows`` says which).
    edits : DataFrame
        Every edit of every refinement: ``stage, source, target, before, after, gain``.
    phases : list of Phase
        Predictions and confusion counts per stage.

    Examples
    --------
    >>> from aligned import simulate
    >>> sim = simulate(n_genes=60, n_regulators=12, seed=1)
    >>> config = Config(n_networks=1, network_steps=2, align_steps=2)
    >>> m = Aligned(config).fit(sim.data, sim.kb, schedule="A-R")
    >>> m.history["stage"].unique().tolist()
    ['init', 'network', 'A', 'A-R']
    """

    kb: KnowledgeBase
    problem: Problem
    ensemble: Ensemble
    yardsticks: Yardsticks

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.phases: list[Phase] = []
        self.done: list[str] = []
        self.notes: list[str] = []
        self.edits = pd.DataFrame(columns=EDIT_COLUMNS)

    # ------------------------------------------------------------------------------ fitting

    def fit(
        self,
        data: AnnData,
        kb: KnowledgeBase,
        schedule: str = "A-R-A-R",
        *,
        yardstick: Mapping[str, object] | None = None,
        complete_kb: KnowledgeBase | None = None,
        max_rounds: int = 5,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        progress: bool = False,
    ) -> Aligned:
        """Fit on the conditions with ``obs["split"] == "train"``, in the order of a schedule.

        Parameters
        ----------
        data : AnnData
            Responses as `aligned.validate` wants them; other rows' labels only serve scores.
        kb : KnowledgeBase
            Network over ``data.uns["genes"]``.
        schedule : str
            Phases A (align) and R (refine) joined by ``-``; ``"auto"`` alternates until no edge
            changes or ``max_rounds`` refinements are done; ``"network"`` is supervised only.
        yardstick : mapping, optional
            ``k`` and ``rule`` of the closure that knowledge consistency is measured with; default
            the model's own.
        complete_kb : KnowledgeBase, optional
            The network with nothing hidden, for the held-out yardstick (`KnowledgeBase.hold_out`).
        max_rounds : int
            Limit of ``"auto"``.
        checkpoint : path, optional
            Folder that receives a checkpoint after every phase, named after its stage.
        resume : bool
            Go on from the latest fitting checkpoint in that folder.
        progress : bool
            Show a bar on stderr.

        Returns
        -------
        Aligned
            Itself.

        Raises
        ------
        ValueError
            Data, network or schedule cannot be used; the message says what to mend.
        RuntimeError
            Another process is writing checkpoints there.
        """
        phases = parse_schedule(schedule)
        if resume and checkpoint is None:
            raise ValueError("resume=True needs checkpoint=<folder>, where the earlier run wrote.")
        self._start(data, kb, yardstick, complete_kb)
        if checkpoint is None:
            self._run(phases, max_rounds, None, progress)
            return self
        folder = Path(checkpoint)
        with lock(folder):
            if folder.is_dir():
                tidy(folder)
            if resume:
                self._resume(folder, phases)
            self._run(phases, max_rounds, folder, progress)
        return self

    def extend(
        self,
        schedule: str,
        *,
        max_rounds: int = 5,
        progress: bool = False,
    ) -> Aligned:
        """Go on to a schedule that begins with the phases done so far.

        The result is that of one `fit` with this schedule. With `fork`, one beginning serves
        several ends:

        >>> from aligned import simulate
        >>> sim = simulate(n_genes=60, n_regulators=12, seed=1)
        >>> config = Config(n_networks=1, network_steps=2, align_steps=2)
        >>> once = Aligned(config).fit(sim.data, sim.kb, schedule="A")
        >>> control, loop = once.fork().extend("A-A"), once.extend("A-R")
        >>> control.history["stage"].iloc[-1], loop.history["stage"].iloc[-1]
        ('A-A', 'A-R')

        Parameters
        ----------
        schedule, max_rounds, progress
            As in `fit`.

        Raises
        ------
        ValueError
            The schedule does not begin with the phases done, or the model was read from a folder:
            it holds no data.
        """
        self._check_fitted()
        phases = parse_schedule(schedule)
        if not len(self.problem.train):
            raise ValueError(
                "this model was read from a folder and holds no data; fit again with "
                "checkpoint=<folder of checkpoints> and resume=True."
            )
        if phases is not None and phases[: len(self.done)] != self.done:
            raise ValueError(
                f"schedule {schedule!r} does not begin with the phases done, "
                f"{stage_name(self.done)!r}; give a longer one, or fork the model before."
            )
        self._run(phases, max_rounds, None, progress)
        return self

    def fork(self) -> Aligned:
        """A copy that can go its own way (`extend`); the data are shared, not copied."""
        self._check_fitted()
        other = copy(self)
        other.ensemble = self.ensemble.fork()
        other.phases, other.done, other.notes = [*self.phases], [*self.done], [*self.notes]
        return other

    def _run(
        self, phases: list[str] | None, max_rounds: int, folder: Path | None, progress: bool
    ) -> None:
        """Run all phases that are to come, with a checkpoint of each."""
        todo = tqdm(
            desc="A/R phases",
            total=None if phases is None else len(phases) + 2,
            initial=len(self.phases),
            disable=None if progress else True,
        )
        with todo:
            for stage in self._phases_to_come(phases, max_rounds):
                todo.set_postfix_str(stage)
                self._record(stage)
                if folder is not None:
                    store.save(self, folder / stage)
                todo.update()

    def _start(
        self,
        data: AnnData,
        kb: KnowledgeBase,
        yardstick: Mapping[str, object] | None,
        complete_kb: KnowledgeBase | None,
    ) -> None:
        named = None
        if yardstick is not None:
            check_yardstick(yardstick, "this fit")
            named = Rule(**yardstick)  # type: ignore[arg-type]
        if complete_kb is not None and complete_kb.genes != kb.genes:
            raise ValueError(
                "complete_kb and kb list different genes; hide edges with "
                "`visible, hidden = complete_kb.hold_out(share)`, which keeps the genes."
            )
        self.problem = Problem.build(data, kb, self.config, named)
        self.yardsticks = Yardsticks(self.problem.yardstick, kb, complete_kb)
        self.kb = kb
        self.ensemble = Ensemble(self.problem, kb, self.config, pick_device(self.config.device))
        self.phases, self.done = [], []
        self.notes, self.edits = [], pd.DataFrame(columns=EDIT_COLUMNS)

    def _resume(self, folder: Path, phases: list[str] | None) -> None:
        plan = phases if phases is not None else ["A", "R"] * 50
        stages = [INIT, NETWORK, *(stage_name(plan[: i + 1]) for i in range(len(plan)))]
        present = [s for s in stages if (folder / s).is_dir()]
        if present:
            store.restore(self, folder / present[-1])

    def _phases_to_come(self, phases: list[str] | None, max_rounds: int) -> Iterator[str]:
        """Run phase after phase, yielding the stage reached."""
        if not self.phases:
            yield INIT
        if len(self.phases) < 2:
            self.ensemble.supervise(self.kb)
            yield NETWORK
        plan = phases if phases is not None else ["A", "R"] * max_rounds
        while len(self.done) < len(plan) and not (phases is None and self._settled):
            self.done.append(plan[len(self.done)])
            if self.done[-1] == "A":
                self.ensemble.align(self.kb, phase=1 + len(self.done))
            else:
                self._refine()
            yield stage_name(self.done)

    @property
    def _settled(self) -> bool:
        """Whether the last phase was a refinement that changed no edge."""
        if self.done[-1:] != ["R"]:
            return False
        return not (self.edits["stage"] == stage_name(self.done)).any()

    def _refine(self) -> None:
        config, problem = self.config, self.problem
        on_evidence = config.refine_rows == "evidence"
        x = problem.train.x if on_evidence else problem.unlabelled
        response = np.zeros(x.shape, dtype=np.int8)
        observed = np.zeros(x.shape, dtype=bool)
        fused = self.predict(x).fused
        columns = self.ensemble.columns
        response[:, columns] = fused
        observed[:, columns] = problem.train.observed if on_evidence else True
        result = refine(
            self.kb,
            x,
            response,
            k=problem.closing,
            observed=observed,
            candidates=config.refine_candidates,
            rows=config.refine_rows,
            penalty=config.refine_penalty,
            edit_cost=config.refine_edit_cost,
            seed=config.seed,
            config=RefineConfig(error_rate=self.error_rate(), device=str(self.ensemble.device)),
        )
        edits = result.edits.assign(stage=stage_name(self.done))
        self.edits = (
            edits if self.edits.empty else pd.concat([self.edits, edits], ignore_index=True)
        )
        if result.note:
            self.notes.append(f"{stage_name(self.done)}: {result.note}")
        self.kb = result.kb

    def error_rate(self) -> float:
        """Error rate of the fused prediction, at most ½: what the price of an edit rests on.

        Measured on inner folds, or (argmax) on the training conditions.
        """
        if self.ensemble.error_rate is not None:
            return min(self.ensemble.error_rate, 0.5)
        train = self.problem.train
        wrong = (self.predict(train.x).fused != train.y)[train.counted]
        return min(float(wrong.mean()), 0.5) if wrong.size else 0.5

    def _record(self, stage: str) -> None:
        rows, scored_on = self.scored_rows
        said = self.predict(rows.x)
        p = np.moveaxis(said.probabilities, 2, 1)
        self.phases.append(
            score_phase(
                stage,
                {"neural": decide(p, self.ensemble.tau["neural"]), "integrated": said.fused},
                rows,
                self.kb,
                self.n_edits,
                self.problem,
                self.yardsticks,
                self.config.gamma,
                scored_on,
            )
        )

    @property
    def n_edits(self) -> int:
        """Number of pairs in which the current network differs from the original one."""
        return len(self.yardsticks.original.changes_to(self.kb))

    @property
    def scored_rows(self) -> tuple[Rows, str]:
        """The rows that are scored, and their name: ``"test"``, or ``"train"`` without any."""
        if len(self.problem.test):
            return self.problem.test, "test"
        return self.problem.train, "train"

    @property
    def history(self) -> pd.DataFrame:
        """All scores so far; see the class."""
        self._check_fitted()
        return pd.concat([p.history for p in self.phases], ignore_index=True)

    def _check_fitted(self) -> None:
        if "ensemble" not in vars(self):
            raise ValueError(
                "this model is not fitted yet; call .fit(data, kb) or Aligned.load(folder)."
            )

    # --------------------------------------------------------------------------- predicting

    def predict(self, x: object, tuned_for: str = "integrated") -> Prediction:
        """Predict responses.

        Parameters
        ----------
        x : array or sparse, shape (b, n), or list of mappings
            Perturbations over ``kb.genes``; or each as ``{gene id or name: -1 or 1}``.
        tuned_for : {"integrated", "neural"}
            Whose threshold the model's call uses: as the partner of symbols, or on its own.

        Returns
        -------
        Prediction
            ``neural, symbolic, adapter, fused`` (int8, (b, m)) and ``probabilities`` (b, m, 3);
            columns are the measured genes.
        """
        self._check_fitted()
        if tuned_for not in SCORES:
            raise ValueError(f"tuned_for={tuned_for!r} is not a choice; use one of {list(SCORES)}.")
        inputs = self._inputs(x)
        outputs = self.ensemble.outputs(inputs)
        p = mean_probabilities([o.response for o in outputs])
        adapter = np.mean(np.stack([o.adapter for o in outputs]), axis=0)
        neural = decide(p, self.ensemble.tau[tuned_for])
        symbolic = self.kb.deduce(inputs, self.problem.closing)[:, self.ensemble.columns]
        a = self.ensemble.choices(neural, symbolic, adapter)
        fused = fuse(neural, symbolic, a)
        probabilities = np.moveaxis(p, 1, 2)
        return Prediction(neural, symbolic, a, fused, probabilities, self.problem.measured)

    def _inputs(self, x: object) -> sp.csr_array:
        if isinstance(x, Mapping):
            x = [x]
        if isinstance(x, Sequence) and len(x) and isinstance(x[0], Mapping):
            return sp.csr_array(sp.vstack([self.kb.encode(row) for row in x], format="csr"))
        return self.kb.check_x(x)

    def explain(self, perturbation: Mapping[str, int], gene: str, limit: int = 10) -> Explanation:
        """Say why a gene is predicted as it is, with the regulatory paths behind it.

        Parameters
        ----------
        perturbation : mapping
            Gene (id or name) -> -1 or 1.
        gene : str
            A measured gene, id or name.
        limit : int
            At most this many paths.
        """
        self._check_fitted()
        target = self.kb.gene_id(gene)
        if target not in self.problem.measured:
            raise ValueError(f"gene {gene!r} was not measured, so there is no prediction of it.")
        said, j = self.predict([perturbation]), self.problem.measured.index(target)
        paths = self.kb.explain(perturbation, target, k=self.problem.closing, limit=limit)
        return Explanation(
            target,
            int(said.neural[0, j]),
            int(said.symbolic[0, j]),
            int(said.fused[0, j]),
            float(said.probabilities[0, j, 0]),
            float(said.probabilities[0, j, 2]),
            bool(said.adapter[0, j]),
            float(self.problem.w[j]),
            paths,
        )

    # ------------------------------------------------------------------------------ storing

    def save(self, folder: str | Path) -> Path:
        """Write the model to a folder (JSON, CSV, safetensors; no pickles), all or nothing.

        Raises
        ------
        FileExistsError
            The folder holds anything but an earlier model.
        """
        self._check_fitted()
        return store.save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Aligned:
        """Read a model that `save` or a checkpoint wrote.

        Raises
        ------
        FileNotFoundError
            The folder holds no model.
        ValueError
            A file is missing or not the one that was saved, or an older version saved it.
        """
        return store.load(cls, Path(folder))
