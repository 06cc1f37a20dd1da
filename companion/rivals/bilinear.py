"""The bilinear model of Ahlmann-Eltze, Huber and Anders (Nature Methods, 2025)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aligned.data import Rows
from companion.rivals.base import Baseline

__all__ = ["BilinearRidge", "bilinear_fit"]

Float = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]


def bilinear_fit(y: Float, g: Float, p: Float, ridge: float) -> Float:
    """``W`` of ``Y ≈ G W Pᵀ``: ``(GᵀG + λI)⁻¹ Gᵀ Y P (PᵀP + λI)⁻¹``.

    Parameters
    ----------
    y : array, shape (m, b)
        Responses, a column per condition, centred.
    g : array, shape (m, K)
        Gene embedding.
    p : array, shape (b, K)
        Perturbation embedding.
    ridge : float
        λ, above 0.

    Returns
    -------
    ndarray of float64, shape (K, K)

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> bilinear_fit(6 * one, one, one, ridge=1.0).item()
    1.5
    """
    eye = ridge * np.eye(g.shape[1])
    left = np.linalg.solve(g.T @ g + eye, g.T @ y @ p)
    return np.asarray(np.linalg.solve(p.T @ p + eye, left.T).T)


class BilinearRidge(Baseline):
    """``Y ≈ G W Pᵀ + b``: genes by the principal components of the training responses.

    A perturbation is embedded as the sum of its genes' rows of ``G``, each with the perturbation's
    sign; ``b`` is the mean response. `setting` = (components K, ridge λ).
    """

    name = "bilinear ridge"
    description = "Y = G W P' + b on principal components (Ahlmann-Eltze et al. 2025), tuned"
    settings = ((10, 0.1), (10, 1.0), (10, 10.0), (10, 100.0))

    def probabilities(self, train: Rows, rows: Rows) -> Float32 | None:
        components, ridge = self.setting
        expected = self.expected(train, rows, components, ridge)
        up, down = np.clip(expected, 0, 1), np.clip(-expected, 0, 1)
        return np.stack([down, 1 - up - down, up], axis=1).astype(np.float32)

    def expected(self, train: Rows, rows: Rows, components: int, ridge: float) -> Float:
        """Expected call of every cell, shape (b, m)."""
        seen = train.counted
        total = (train.y * seen).sum(axis=0, dtype=np.float64)
        b = total / np.maximum(seen.sum(axis=0), 1)
        centred = np.where(seen, train.y - b, 0.0)
        u, s, _ = np.linalg.svd(centred.T, full_matrices=False)
        rank = max(1, min(components, int((s > 1e-9 * s.max(initial=0)).sum())))
        g = u[:, :rank] * s[:rank]
        embed = np.zeros((len(self.kb.genes), rank))
        embed[self.columns] = g
        w = bilinear_fit(centred.T, g, np.asarray(train.x @ embed), ridge)
        return np.asarray((rows.x @ embed) @ w.T @ g.T + b)
