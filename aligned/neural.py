"""The neural component: one trunk, two heads, for perturbation in and response out.

``f_y`` gives logits over {down, unchanged, up} per measured gene, ``f_a`` (the adapter) the
probability that the knowledge base is to be trusted there. Both kinds of model see a matrix of
*features*, one row per condition: the perturbation itself (MLP), or the perturbation passed over
the regulatory graph (GNN).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import nn

__all__ = [
    "ResponseModel",
    "class_weights",
    "cross_entropy",
    "features",
    "graph_operator",
    "mean_probabilities",
    "pick_device",
]

Float32 = npt.NDArray[np.float32]


def pick_device(device: str) -> torch.device:
    """The device meant by ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ValueError
        ``"cuda"`` was asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device 'cuda' was asked for, but PyTorch sees no GPU; use 'auto' or 'cpu'."
        )
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def graph_operator(
    edges: sp.csr_array, regulator_index: npt.NDArray[np.intp], n_genes: int
) -> sp.csr_array:
    """Normalised graph ``S = D^-½ (A + Aᵀ + I) D^-½`` of simple graph convolution (Wu et al. 2019).

    Parameters
    ----------
    edges : sparse, shape (r, n)
        Not 0 where there is an edge of either sign.
    regulator_index : ndarray of int, shape (r,)
        Column of each regulator.
    n_genes : int

    Returns
    -------
    scipy.sparse.csr_array of float32, shape (n, n), as sparse as the network
    """
    coo = sp.coo_array(edges)
    row, col = coo.coords
    source = regulator_index[row]
    ones = np.ones(len(source), dtype=np.float32)
    forward = sp.csr_array((ones, (source, col)), shape=(n_genes, n_genes))
    graph = ((forward + forward.T + sp.eye_array(n_genes, dtype=np.float32)) > 0).astype(np.float32)
    scale = sp.diags_array(1 / np.sqrt(np.asarray(graph.sum(axis=1)).ravel()))
    return sp.csr_array(scale @ graph @ scale).astype(np.float32)


def features(x: sp.csr_array, graph: sp.csr_array | None, hops: int) -> Float32:
    """What the trunk sees of each condition, float32 of shape (b, n).

    Without a graph, ``x`` itself. With one, the mean of ``x, xS, …, xS^hops``: because the
    convolution is linear, ``(mean_l xS^l) @ H`` is the sum of the perturbed genes' smoothed
    embeddings, and only the perturbed rows are ever computed.
    """
    total = here = sp.csr_array(x).astype(np.float32)
    if graph is None:
        return total.toarray()
    for _ in range(hops):
        here = here @ graph
        total = total + here
    return (total / np.float32(hops + 1)).toarray().astype(np.float32)


class ResponseModel(nn.Module):
    """Trunk with two heads: logits (b, 3, m) of the response, logits (b, m) of the adapter.

    Parameters
    ----------
    kind : {"gnn", "mlp"}
        ``mlp``: three hidden layers. ``gnn``: gene embeddings (the features already carry the
        graph), one hidden layer.
    n_genes, hidden : int
        Width of the input and of the hidden layers.
    response_bias : tensor, shape (3, m)
        Start of the response head: log class frequencies, so that training starts from what is
        known without any input.
    adapter_bias : tensor, shape (m,)
        Start of the adapter head: ``logit(w)``.
    seed : int
        Seed of the initial weights.
    """

    def __init__(
        self,
        kind: str,
        n_genes: int,
        hidden: int,
        response_bias: torch.Tensor,
        adapter_bias: torch.Tensor,
        seed: int,
    ) -> None:
        super().__init__()
        depth = {"mlp": 3, "gnn": 2}[kind]
        sizes = [n_genes] + [hidden] * depth
        layers: list[nn.Module] = []
        for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            layers += [_linear(fan_in, fan_out, bias=i > 0 or kind == "mlp"), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.n_measured = adapter_bias.shape[0]
        self.response = _linear(hidden, 3 * self.n_measured)
        self.adapter = _linear(hidden, self.n_measured)
        self._start(response_bias, adapter_bias, seed)

    def _start(self, response_bias: torch.Tensor, adapter_bias: torch.Tensor, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in self.trunk:
                if isinstance(layer, nn.Linear):
                    # a condition touches one or two genes: scale the first layer to their number
                    fan = layer.in_features if layer is not self.trunk[0] else 2
                    layer.weight.normal_(0.0, (2 / fan) ** 0.5, generator=generator)
                    if layer.bias is not None:
                        layer.bias.zero_()
            self.response.weight.normal_(0.0, 0.01, generator=generator)
            self.response.bias.copy_(response_bias.reshape(-1))
            self.adapter.weight.zero_()
            self.adapter.bias.copy_(adapter_bias)

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (b, n) -> response logits (b, 3, m), adapter logits (b, m)."""
        h = self.trunk(z)
        return self.respond(h), self.adapter(h)

    def respond(self, h: torch.Tensor) -> torch.Tensor:
        """Trunk output (b, hidden) -> response logits (b, 3, m)."""
        return self.response(h).view(-1, 3, self.n_measured)

    def adapter_at(self, h: torch.Tensor, row: torch.Tensor, gene: torch.Tensor) -> torch.Tensor:
        """Adapter logits of single cells, shape (cells,): most cells never need one."""
        return (h[row] * self.adapter.weight[gene]).sum(dim=1) + self.adapter.bias[gene]


def _linear(fan_in: int, fan_out: int, bias: bool = True) -> nn.Linear:
    """A layer without values yet: torch's own start would draw from the global generator."""
    return nn.utils.skip_init(nn.Linear, fan_in, fan_out, bias=bias)


def class_weights(
    y: npt.ArrayLike, observed: npt.ArrayLike, power: float
) -> npt.NDArray[np.float64]:
    """Weights ``frequency^-power`` of the three classes on labelled data, mean 1 over cells."""
    y, observed = np.asarray(y), np.asarray(observed, dtype=bool)
    counts = np.array([((y == c) & observed).sum() for c in (-1, 0, 1)], dtype=np.float64)
    share = (counts + 1) / (counts.sum() + 3)
    weight = share**-power
    return np.asarray(weight / (weight * share).sum())


def cross_entropy(
    logits: torch.Tensor,
    y: torch.Tensor,
    observed: torch.Tensor,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean cross-entropy over the observed cells.

    Parameters
    ----------
    logits : tensor, shape (b, 3, m)
    y : tensor of int, shape (b, m), in {-1, 0, 1}
    observed : tensor of bool, shape (b, m)
    weights : tensor, shape (3,), optional
        Class weights; none for pseudo-labels.

    Returns
    -------
    tensor, scalar
    """
    losses = nn.functional.cross_entropy(logits, y.long() + 1, weight=weights, reduction="none")
    return (losses * observed).sum() / observed.sum().clamp(min=1)


def mean_probabilities(per_model: Sequence[Float32]) -> Float32:
    """Average of an ensemble's probabilities, each of shape (b, 3, m)."""
    return np.mean(np.stack(per_model), axis=0, dtype=np.float32)
