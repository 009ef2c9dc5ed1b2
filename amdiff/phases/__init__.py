"""Memorized, spurious and generalized samples: thresholds, classes with intervals, attractors, other measures.

``sort_samples`` does all of it for one synthetic set; the rest are its parts, on plain arrays of distances.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
