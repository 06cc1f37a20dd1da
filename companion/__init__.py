"""What exists because of the paper: its analyses, claims, rivals, data sets, and its book.

Built on `aligned`, which never imports it. Names load on first use.

>>> import companion
>>> companion.IterationSettings().n_folds
5
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
