"""The edition ``yeast_tf``: deletions and inductions of transcription factors of S. cerevisiae.

``data/yeast_tf/recipe.yaml`` states the recipe; these modules follow it. Every function is pure:
paths or tables in, tables out.
"""

from companion.editions.yeast_tf.recipe import Originals, build, check_choices, originals

__all__ = ["Originals", "build", "check_choices", "originals"]
