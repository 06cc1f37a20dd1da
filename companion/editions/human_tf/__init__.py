"""The edition ``human_tf``: single transcription-factor perturbations of human cells, CollecTRI.

``data/human_tf/recipe.yaml`` states the recipe; these modules follow it. Every function is pure:
paths or tables in, tables out.
"""

from companion.editions.human_tf.recipe import (
    NETWORKS,
    OWN_GENE,
    Originals,
    build,
    originals,
    read_recipe,
)

__all__ = ["NETWORKS", "OWN_GENE", "Originals", "build", "originals", "read_recipe"]
