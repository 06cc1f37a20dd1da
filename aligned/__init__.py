"""Adaptive alignment of perturbation data and gene regulatory networks.

The names below are the library's front door; each room of the package is described in the book.
They load on first use, so that ``import aligned`` takes no time.

>>> import aligned as al
>>> sim = al.simulate(n_genes=60, n_regulators=12, seed=0)
>>> sim.kb.deduce(sim.data.obsm["perturbation"], k=2).shape == (sim.data.n_obs, 60)
True
"""

import lazy_loader

from aligned import _threads  # noqa: F401 - first: it speaks to libraries not loaded yet

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
