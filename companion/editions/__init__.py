"""The real data sets, made from their originals: what `aligned.load` finds by entry points.

Each function takes the seed that `aligned.load` passes on (real data do not depend on it, only a
network that is dealt at random).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from aligned._assets import asset
from aligned.data import Bundle, DataError, fetch, files
from aligned.reading import reason

__all__ = ["load_ecoli", "load_human_tf", "load_human_unseen", "load_yeast_tf"]


def load_ecoli(seed: int = 0) -> Bundle:
    """Knock-outs of *E. coli* K-12 with EcoCyc's network."""
    from companion.editions import ecoli

    return _made("ecoli", "ecoli", ecoli.build)


def load_human_tf(seed: int = 0) -> Bundle:
    """Signatures of single human transcription factors with CollecTRI."""
    from companion.editions import human_tf

    return _made("human_tf", "human_tf", human_tf.build)


def load_human_unseen(seed: int = 0) -> Bundle:
    """As `load_human_tf`, with CollecTRI less every pair that TRRUST has."""
    from companion.editions import human_tf

    return _made("human_unseen", "human_tf", human_tf.build, network="without_other")


def load_yeast_tf(seed: int = 0, network: str | None = None, part: str | None = None) -> Bundle:
    """Deletions and inductions of yeast's transcription factors.

    Parameters
    ----------
    seed : int
        Seed of the rewired network; nothing else depends on it.
    network : {"yeastract", "gold", "binding", "rewired"}, optional
        The knowledge base; default ``yeastract``. ``rewired`` is YEASTRACT dealt anew, every in-
        and out-degree kept.
    part : {"joint", "ko", "zev"}, optional
        Both, deletions only, or inductions only; default ``joint``.

    Raises
    ------
    ValueError
        ``network`` or ``part`` is none of these.
    """
    from companion.editions import yeast_tf

    network, part = yeast_tf.check_choices(network, part)
    options = {"network": network, "part": part, "seed": seed}
    return _made("yeast_tf", "yeast_tf", yeast_tf.build, **options)


def _made(edition: str, originals: str, build: Callable[..., Bundle], **options: Any) -> Bundle:
    """What a recipe makes of its originals, or one sentence."""
    paths, sources = fetch(originals), files(originals)
    try:
        return build(paths, sources, _yardstick(edition), **options)
    except Exception as error:  # the hashes are right, so the registry or the recipe is not
        raise DataError(
            f"the originals of {edition} cannot be made into data ({reason(error)}); compare "
            "data/registry.yaml and the recipe with those of the release."
        ) from error


def _yardstick(edition: str) -> dict[str, Any]:
    text = asset(f"notebooks/editions/{edition}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["yardstick"])
