"""The edition ``ecoli``: knock-outs of E. coli K-12 and the EcoCyc network, from the originals.

``data/ecoli/recipe.yaml`` states the recipe; these modules follow it. Every function is pure: paths
or tables in, tables out.
"""

from companion.editions.ecoli.recipe import Originals, build, originals, read_recipe

__all__ = ["Originals", "build", "originals", "read_recipe"]
