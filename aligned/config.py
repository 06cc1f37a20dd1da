"""Every setting of the method, in one frozen table that checks itself."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

__all__ = ["CHOICES", "Config"]

#: Settings that are a choice among words, and what each word means.
CHOICES: dict[str, dict[str, str]] = {
    "model": {
        "gnn": "gene embeddings passed over the regulatory graph (simple graph convolution)",
        "mlp": "three hidden layers on the perturbation vector",
    },
    "estimator": {
        "local": "exact change of the loss per gene: unbiased, almost no variance",
        "reinforce": "score function with a moving-average baseline (the paper's)",
        "exact": "no learning: the closed-form optimum for the given prediction",
    },
    "rule": {
        "auto": "chosen with k on the training conditions",
        "boolean": "a sign holds if any path carries it (the paper's Eq. 1)",
        "majority": "damped majority of signed paths",
    },
    "objective": {
        "balance": "thresholds tuned for balanced consistency",
        "f_d": "thresholds tuned for data consistency",
    },
    "decision": {
        "tuned": "call a gene where p exceeds a threshold chosen on inner folds",
        "argmax": "call the most probable class (the paper's)",
    },
    "weights": {
        "gene": "the mean of the parts switched on; a conflict is any cell where δ ≠ 0 is not met",
        "full": "the same, but a gene that stays unchanged is no conflict (the paper preset's)",
        "constant": "½ for every gene",
        "random": "uniform at random, seeded",
    },
    "unlabelled": {
        "regulators": "the single perturbations of all regulators",
        "regulators+heldout": "also the held-out conditions' inputs (never their labels)",
    },
    "refine_rows": {
        "evidence": "conditions of the training data",
        "all": "every single perturbation of a regulator (the paper's)",
    },
    "refine_candidates": {
        "known": "regulators of the network",
        "perturbed": "also genes perturbed in the data",
    },
    "refine_penalty": {"l1": "sparse, minimal change", "frobenius": "the paper's baseline"},
    "device": {"auto": "cuda where there is one, else cpu", "cpu": "cpu", "cuda": "cuda"},
}


@dataclass(frozen=True)
class Config:
    """Settings of `Aligned`; defaults are ours, `Config.paper` gives the published ones.

    Parameters
    ----------
    model, estimator, rule, objective, decision, weights : str
        See `aligned.config.CHOICES`.
    k : int or "auto"
        Longest regulatory path; ``"auto"`` chooses it with the rule on the training conditions.
    alpha, margin : float
        Damping per step and margin of the rule ``majority``.
    theta : float
        Share of a condition's observed genes for which symbols are free of charge (``L_len``).
    c_inc, c_len, c_weight : float
        Coefficients of inconsistency, length and weight in the adapter's loss.
    speak_only : bool
        Symbols may be used only where the network says something (δ ≠ 0).
    n_networks : int
        Size of the ensemble. Each model is trained without one inner fold of the training
        perturbations, on which its threshold is chosen.
    gamma : float
        Exponent of balanced consistency.
    seed : int
        Seed of everything random.
    device : {"auto", "cpu", "cuda"}
        Where the models are trained.
    hidden, hops, learning_rate, weight_decay, batch_size : numbers
        Width, graph-convolution hops and optimiser (AdamW) settings. The hops follow the network of
        knowledge as it was given: refinement changes what is deduced, not this graph.
    network_steps, align_steps : int
        Optimiser steps of the supervised phase and of each alignment phase. Few suffice: the
        response head starts at the genes' own class frequencies, and a model of this size soon
        learns the training perturbations by heart.
    class_weight_power : float
        Labelled classes weigh ``frequency^-power``; pseudo-labels are never weighted.
    pseudo_weight : float
        Weight of the pseudo-labels' loss beside the labelled one.
    unlabelled : str
        Inputs without labels that the alignment phases predict, see `aligned.config.CHOICES`.
    use_conflicts, use_go, use_grn : bool
        Parts of the weights ``w`` that are switched on.
    refine_rows, refine_candidates, refine_penalty : str
        See `aligned.config.CHOICES`.
    refine_edit_cost : float or "auto"
        Cost of an edit in cells of the response.

    Raises
    ------
    ValueError
        A value is not among the choices, or out of range; the message says which.

    Examples
    --------
    >>> Config(model="mlp", k=2, rule="boolean").hidden
    64
    >>> Config(model="cnn")
    Traceback (most recent call last):
    ...
    ValueError: model='cnn' is not a choice; use one of 'gnn', 'mlp'.
    """

    model: str = "gnn"
    estimator: str = "local"
    k: int | str = "auto"
    rule: str = "auto"
    alpha: float = 0.5
    margin: float = 0.0
    theta: float = 0.3
    c_inc: float = 1.0
    c_len: float = 5.0
    c_weight: float = 2.0
    speak_only: bool = True
    objective: str = "balance"
    n_networks: int = 3
    gamma: float = 2.0
    seed: int = 0
    device: str = "auto"
    decision: str = "tuned"
    hidden: int = 64
    hops: int = 2
    learning_rate: float = 1e-2
    weight_decay: float = 1e-3
    batch_size: int = 32
    network_steps: int = 10
    align_steps: int = 60
    class_weight_power: float = 0.5
    pseudo_weight: float = 1.0
    unlabelled: str = "regulators"
    weights: str = "gene"
    use_conflicts: bool = True
    use_go: bool = True
    use_grn: bool = True
    refine_rows: str = "evidence"
    refine_candidates: str = "known"
    refine_penalty: str = "l1"
    refine_edit_cost: float | str = "auto"

    def __post_init__(self) -> None:
        for name, options in CHOICES.items():
            value = getattr(self, name)
            if not isinstance(value, str) or value not in options:
                listed = ", ".join(map(repr, options))
                raise ValueError(f"{name}={value!r} is not a choice; use one of {listed}.")
        if self.k != "auto" and not _is_whole(self.k, 1):
            raise ValueError(f"k={self.k!r}; give a path length >= 1, or 'auto'.")
        if self.refine_edit_cost != "auto" and not _is_number(self.refine_edit_cost, 0):
            raise ValueError(f"refine_edit_cost={self.refine_edit_cost!r}; give >= 0, or 'auto'.")
        for name, least in _WHOLE.items():
            if not _is_whole(getattr(self, name), least):
                raise ValueError(f"{name}={getattr(self, name)!r}; give a whole number >= {least}.")
        for name, (low, high) in _RANGES.items():
            if not _is_number(getattr(self, name), low, high):
                span = f">= {low}" if high is None else f"from {low} to {high}"
                raise ValueError(f"{name}={getattr(self, name)!r}; give a number {span}.")

    @classmethod
    def paper(cls, edition: str = "ecoli", **changes: Any) -> Config:
        """Return the published settings: widths, steps, coefficients.

        Parameters
        ----------
        edition : str
            ``"ecoli"``: 500 supervised steps and 400 × 20 alignment steps; any other edition gets
            the paper's human schedule, 300 and 150 × 100.
        **changes
            Fields to set otherwise.

        Notes
        -----
        The published weight term is the hinge ``max(0, sign(a-½)(½-w))`` with coefficient 1; it
        equals ours with ``c_weight = ½`` up to a constant (see `aligned.alignment.adapter_loss`).

        Examples
        --------
        >>> Config.paper("ecoli").align_steps
        8000
        """
        supervised, alignment = (500, 400 * 20) if edition == "ecoli" else (300, 150 * 100)
        published: dict[str, Any] = {
            "estimator": "reinforce",
            "k": 5,
            "rule": "boolean",
            "theta": 0.3,
            "c_inc": 0.1,
            "c_len": 5.0,
            "c_weight": 0.5,
            "speak_only": False,
            "decision": "argmax",
            "weights": "full",
            "n_networks": 1,
            "hidden": 64,
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "batch_size": 64,
            "network_steps": supervised,
            "align_steps": alignment,
            "refine_rows": "all",
        }
        return cls(**{**published, **changes})

    def to_dict(self) -> dict[str, Any]:
        """All fields as a plain dictionary, ready for a file."""
        return dataclasses.asdict(self)

    def replace(self, **changes: Any) -> Config:
        """Return a copy with some fields changed, checked again."""
        unknown = sorted(set(changes) - {f.name for f in dataclasses.fields(self)})
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no setting of Config; see its parameters.")
        return dataclasses.replace(self, **changes)


_WHOLE = {
    "n_networks": 1,
    "hidden": 1,
    "hops": 0,
    "batch_size": 1,
    "network_steps": 0,
    "align_steps": 0,
    "seed": 0,
}

_RANGES: dict[str, tuple[float, float | None]] = {
    "alpha": (0, 1),
    "margin": (0, None),
    "theta": (0, 1),
    "c_inc": (0, None),
    "c_len": (0, None),
    "c_weight": (0, None),
    "gamma": (1e-6, None),
    "learning_rate": (1e-12, None),
    "weight_decay": (0, None),
    "class_weight_power": (0, None),
    "pseudo_weight": (0, None),
}


def _is_whole(value: object, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def _is_number(value: object, low: float, high: float | None = None) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return low <= value < math.inf and (high is None or value <= high)
