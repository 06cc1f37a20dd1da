"""The network and its inputs, against plain dense algebra and torch's own loss."""

from __future__ import annotations

import random

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aligned.knowledge import KnowledgeBase
from aligned.neural import (
    ResponseModel,
    class_weights,
    cross_entropy,
    features,
    graph_operator,
    mean_probabilities,
    pick_device,
)

SOME = settings(max_examples=60, deadline=None)


@st.composite
def networks(draw: st.DrawFn) -> KnowledgeBase:
    n = draw(st.integers(2, 7))
    genes = list("abcdefg"[:n])
    edge = st.tuples(
        st.sampled_from(genes[:3]), st.sampled_from(genes), st.sampled_from((-1, 1))
    ).filter(lambda e: e[0] != e[1])
    edges = draw(st.lists(edge, min_size=1, max_size=10, unique=True))
    frame = pd.DataFrame(edges, columns=["source", "target", "sign"])
    return KnowledgeBase.from_edges(frame, genes)


def operator(kb: KnowledgeBase) -> sp.csr_array:
    return graph_operator(kb.r_pos + kb.r_neg, kb.regulator_index, len(kb.genes))


def dense_operator(kb: KnowledgeBase) -> np.ndarray:
    """``D^-½ (A ∨ Aᵀ ∨ I) D^-½`` written out."""
    n = len(kb.genes)
    a = np.eye(n)
    for source, target in kb.to_edges()[["source", "target"]].to_numpy():
        i, j = kb.genes.index(source), kb.genes.index(target)
        a[i, j] = a[j, i] = 1
    degree = a.sum(axis=1)
    return a / np.sqrt(np.outer(degree, degree))


# ------------------------------------------------------------------------------------- inputs


@SOME
@given(networks())
def test_the_graph_operator_is_its_formula(kb: KnowledgeBase) -> None:
    s = operator(kb)
    assert s.dtype == np.float32
    npt.assert_allclose(s.toarray(), dense_operator(kb), atol=1e-6)
    npt.assert_allclose(s.toarray(), s.toarray().T, atol=0)
    assert np.abs(np.linalg.eigvalsh(s.toarray())).max() <= 1 + 1e-5
    assert s.nnz <= len(kb.genes) + 2 * kb.n_pairs  # as sparse as the network


@SOME
@given(networks(), st.integers(0, 4), st.integers(0, 1000))
def test_features_are_the_mean_over_hops(kb: KnowledgeBase, hops: int, seed: int) -> None:
    x = np.random.default_rng(seed).integers(-1, 2, (3, len(kb.genes))).astype(np.int8)
    s = dense_operator(kb)
    expected = np.mean([x @ np.linalg.matrix_power(s, h) for h in range(hops + 1)], axis=0)
    z = features(sp.csr_array(x), operator(kb), hops)
    assert z.dtype == np.float32
    npt.assert_allclose(z, expected, atol=1e-5)


def test_features_without_a_graph_are_the_perturbations() -> None:
    x = np.array([[0, -1, 1]], dtype=np.int8)
    z = features(sp.csr_array(x), None, 2)
    assert z.dtype == np.float32
    npt.assert_array_equal(z, x)


# ------------------------------------------------------------------------------------ network


N_GENES, MEASURED, HIDDEN = 9, 5, 6


def make(kind: str, seed: int = 0) -> ResponseModel:
    response = torch.linspace(-1, 1, 3 * MEASURED).view(3, MEASURED)
    adapter = torch.logit(torch.linspace(0.1, 0.9, MEASURED))
    return ResponseModel(kind, N_GENES, HIDDEN, response, adapter, seed)


@pytest.mark.parametrize("kind", ["mlp", "gnn"])
def test_shapes_and_depth(kind: str) -> None:
    network = make(kind)
    logits, adapter = network(torch.zeros(4, N_GENES))
    assert logits.shape == (4, 3, MEASURED)
    assert adapter.shape == (4, MEASURED)
    layers = [layer for layer in network.trunk if isinstance(layer, torch.nn.Linear)]
    assert len(layers) == {"mlp": 3, "gnn": 2}[kind]  # the gnn's first one holds the embeddings
    assert all(torch.isfinite(p).all() for p in network.parameters())


@pytest.mark.parametrize("kind", ["mlp", "gnn"])
def test_both_heads_share_the_trunk(kind: str) -> None:
    network = make(kind)
    torch.nn.init.ones_(network.adapter.weight)
    z = torch.ones(2, N_GENES)
    for head in network(z):
        (gradient,) = torch.autograd.grad(head.sum(), network.trunk[0].weight, retain_graph=True)
        assert (gradient != 0).any()


@pytest.mark.parametrize("kind", ["mlp", "gnn"])
def test_the_adapter_starts_at_w_whatever_the_input(kind: str) -> None:
    z = torch.from_numpy(np.random.default_rng(0).normal(size=(6, N_GENES)).astype(np.float32))
    _, adapter = make(kind)(z)
    expected = torch.linspace(0.1, 0.9, MEASURED).expand(6, -1)
    torch.testing.assert_close(torch.sigmoid(adapter), expected)


def test_without_input_the_response_starts_at_its_bias() -> None:
    logits, _ = make("gnn")(torch.zeros(1, N_GENES))
    torch.testing.assert_close(logits[0], torch.linspace(-1, 1, 3 * MEASURED).view(3, MEASURED))


@pytest.mark.parametrize("kind", ["mlp", "gnn"])
def test_a_seed_is_all_that_chance_depends_on(kind: str) -> None:
    torch.manual_seed(1)
    one = make(kind, seed=7).state_dict()
    torch.manual_seed(2)
    again, other = make(kind, seed=7).state_dict(), make(kind, seed=8).state_dict()
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["trunk.0.weight"], other["trunk.0.weight"])
    assert not torch.equal(one["response.weight"], other["response.weight"])


def test_making_a_network_leaves_global_chance_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    make("mlp")
    make("gnn")
    assert torch.equal(before[0], torch.get_rng_state())
    npt.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert before[2] == random.getstate()


# --------------------------------------------------------------------------------------- loss


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(size=(4, 3, 6)).astype(np.float32)).requires_grad_()
    y = torch.from_numpy(rng.integers(-1, 2, (4, 6)))
    return logits, y, torch.from_numpy(rng.random((4, 6)) < 0.6)


@pytest.mark.parametrize("weights", [None, torch.tensor([3.0, 0.5, 2.0])])
def test_the_loss_is_torchs_on_the_list_of_observed_cells(weights: torch.Tensor | None) -> None:
    logits, y, seen = batch()
    flat, labels = logits.permute(0, 2, 1)[seen], y[seen] + 1
    expected = torch.nn.functional.cross_entropy(flat, labels, weight=weights, reduction="sum")
    torch.testing.assert_close(cross_entropy(logits, y, seen, weights), expected / seen.sum())


def test_unobserved_cells_have_neither_value_nor_gradient() -> None:
    logits, y, seen = batch(1)
    loss = cross_entropy(logits, y, seen)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert (gradient.permute(0, 2, 1)[~seen] == 0).all()
    assert (gradient.permute(0, 2, 1)[seen] != 0).all()
    wild = torch.where(seen, y, -y)
    assert cross_entropy(logits, wild, seen).item() == loss.item()


def test_nothing_observed_costs_nothing() -> None:
    logits, y, seen = batch(2)
    loss = cross_entropy(logits, y, torch.zeros_like(seen))
    assert loss.item() == 0.0
    loss.backward()
    assert (logits.grad == 0).all()


@SOME
@given(st.integers(0, 10_000), st.sampled_from((0.0, 0.5, 1.0)))
def test_class_weights_are_powers_of_the_frequency(seed: int, power: float) -> None:
    rng = np.random.default_rng(seed)
    y, seen = rng.choice([-1, 0, 1], (5, 8), p=[0.1, 0.8, 0.1]), rng.random((5, 8)) < 0.7
    cells = list(y[seen])
    share = np.array([(cells.count(c) + 1) / (len(cells) + 3) for c in (-1, 0, 1)])
    weights = class_weights(y, seen, power)
    npt.assert_allclose(weights / weights[1], (share / share[1]) ** -power)
    assert (weights * share).sum() == pytest.approx(1.0)
    if power == 0:
        npt.assert_allclose(weights, 1.0)


def test_class_weights_see_observed_cells_only() -> None:
    y, seen = np.array([[-1, 0, 0, 1]]), np.array([[1, 1, 1, 0]], bool)
    npt.assert_array_equal(class_weights(y, seen, 0.5), class_weights(y[:, :3], seen[:, :3], 0.5))


# ------------------------------------------------------------------------------------- others


def test_an_ensemble_is_the_mean_of_its_probabilities() -> None:
    p = np.random.default_rng(0).dirichlet((1, 1, 1), (3, 2, 5)).astype(np.float32)
    parts = [np.moveaxis(q, 2, 1) for q in p]
    mean = mean_probabilities(parts)
    assert mean.dtype == np.float32
    npt.assert_allclose(mean, sum(parts) / 3, rtol=1e-6)
    npt.assert_array_equal(mean_probabilities(parts[:1]), parts[0])


def test_devices_are_picked_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto").type == pick_device("cpu").type == "cpu"
    with pytest.raises(ValueError, match="sees no GPU; use 'auto' or 'cpu'"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto").type == pick_device("cuda").type == "cuda"
