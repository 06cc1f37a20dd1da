"""Rivals behind one interface, tuned as carefully as the model.

Every baseline has `fit` on training conditions and `predict` for others:
``kind(kb, measured, yardstick, config).fit(train).predict(rows)``. Thresholds and settings are
chosen as the model's are: on inner folds of whole perturbations, for the same objective.
"""

from __future__ import annotations

from companion.rivals.base import Baseline
from companion.rivals.bilinear import BilinearRidge
from companion.rivals.context import (
    BoostedOnNetworkFeatures,
    ContextLogistic,
    LogisticOnNetworkFeatures,
)
from companion.rivals.plain import (
    DirectEdges,
    DirectEdgesElseFrequencies,
    Frequencies,
    KnowledgeOnly,
    NoChange,
    RandomCalls,
    SharedControl,
    else_direct_edges,
)
from companion.rivals.similar import Additive, NearestNeighbour, SamePerturbation

__all__ = [
    "BASELINES",
    "RIVALS",
    "Additive",
    "Baseline",
    "BilinearRidge",
    "BoostedOnNetworkFeatures",
    "ContextLogistic",
    "DirectEdges",
    "DirectEdgesElseFrequencies",
    "Frequencies",
    "KnowledgeOnly",
    "LogisticOnNetworkFeatures",
    "NearestNeighbour",
    "NoChange",
    "RandomCalls",
    "SamePerturbation",
    "SharedControl",
    "else_direct_edges",
]

#: The trivial baselines by name, in the order of the tables.
BASELINES: dict[str, type[Baseline]] = {
    b.name: b
    for b in (NoChange, Frequencies, DirectEdges, DirectEdgesElseFrequencies, SharedControl)
}

#: Everything the method is measured against: the trivial ones, then those that learn.
RIVALS: dict[str, type[Baseline]] = BASELINES | {
    b.name: b
    for b in (
        RandomCalls,
        KnowledgeOnly,
        SamePerturbation,
        Additive,
        NearestNeighbour,
        BilinearRidge,
        LogisticOnNetworkFeatures,
        BoostedOnNetworkFeatures,
        ContextLogistic,
    )
}
