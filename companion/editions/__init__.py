"""The real data sets, made from their originals: what `aligned.load` finds by entry points.

Each function takes the seed that `aligned.load` passes on (real data do not depend on it).
"""

from __future__ import annotations

from typing import Any

import yaml

from aligned._assets import asset
from aligned.data import Bundle, fetch, files

__all__ = ["load_ecoli", "load_human_tf", "load_human_unseen"]


def load_ecoli(seed: int = 0) -> Bundle:
    """Knock-outs of *E. coli* K-12 with EcoCyc's network."""
    from companion.editions import ecoli

    return ecoli.build(fetch("ecoli"), files("ecoli"), _yardstick("ecoli"))


def load_human_tf(seed: int = 0) -> Bundle:
    """Signatures of single human transcription factors with CollecTRI."""
    from companion.editions import human_tf

    return human_tf.build(fetch("human_tf"), files("human_tf"), _yardstick("human_tf"))


def load_human_unseen(seed: int = 0) -> Bundle:
    """As `load_human_tf`, with CollecTRI less every pair that TRRUST has."""
    from companion.editions import human_tf

    originals, sources = fetch("human_tf"), files("human_tf")
    return human_tf.build(originals, sources, _yardstick("human_unseen"), network="without_other")


def _yardstick(edition: str) -> dict[str, Any]:
    text = asset(f"notebooks/editions/{edition}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["yardstick"])
