"""The signed regulatory paths behind a deduction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

__all__ = ["walks_to"]

#: target -> sign -> evidence, per source
Edges = Mapping[str, Mapping[str, Mapping[int, str]]]


def _sources_by_distance(edges: Edges, target: str, k: int) -> list[set[str]]:
    """``[d]`` holds every regulator from which ``target`` is reached in exactly ``d`` steps."""
    levels: list[set[str]] = [{target}]
    for _ in range(k):
        levels.append({s for s, out in edges.items() if not levels[-1].isdisjoint(out)})
    return levels


def walks_to(
    edges: Edges, perturbation: Mapping[str, int], target: str, k: int, names: Mapping[str, str]
) -> Iterator[dict[str, object]]:
    """Yield every signed walk of length 1..k from a perturbed gene to ``target``, shortest first.

    Each item has ``sign`` (of the effect on the target: direction of the perturbation times the
    signs along the walk), ``length``, ``path`` (names joined by arrows: ``→`` activates, ``⊣``
    inhibits) and ``evidence`` (one per step, joined by ``; ``).
    """
    levels = _sources_by_distance(edges, target, k)

    def label(gene: str) -> str:
        return names.get(gene, gene)

    def extend(
        gene: str, left: int, sign: int, path: str, seen: tuple[str, ...]
    ) -> Iterator[dict[str, object]]:
        if left == 0:
            yield {"sign": sign, "path": path, "evidence": "; ".join(seen)}
            return
        for nxt in edges.get(gene, {}):
            if nxt not in levels[left - 1]:
                continue
            for step, source in sorted(edges[gene][nxt].items(), reverse=True):
                arrow = "→" if step > 0 else "⊣"
                yield from extend(
                    nxt, left - 1, sign * step, f"{path} {arrow} {label(nxt)}", (*seen, source)
                )

    for length in range(1, k + 1):
        for gene, direction in perturbation.items():
            if gene in levels[length]:
                start = label(gene) + ("+" if direction > 0 else "-")
                for row in extend(gene, length, direction, start, ()):
                    yield {**row, "length": length}


def as_frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Rows of `walks_to` as a table with fixed columns, also when there are none."""
    return pd.DataFrame(rows, columns=["sign", "length", "path", "evidence"])
