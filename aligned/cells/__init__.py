"""Single cells: from an ``.h5ad`` of cells to the ternary response of every perturbation.

`source` reads the file in slices, `labels` and `design` understand what was perturbed, `matrix`
normalises and turns cells into genes, `calling` tests and calls, `build` puts all together.
"""

from aligned.cells.build import Imported, import_cells
from aligned.cells.calling import Rules
from aligned.cells.design import Reading

__all__ = ["Imported", "Reading", "Rules", "import_cells"]
