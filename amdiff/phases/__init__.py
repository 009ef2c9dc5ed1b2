"""Sort samples into memorized, spurious and generalized ones, and find their attractors.

``sort_samples`` does everything for one synthetic set: it finds thresholds, classes with confidence intervals, and
attractors. The other functions are its parts, and other measures of copying. Most of them take arrays of distances.

In this package S is the training set with K images, and S' is the synthetic set. delta_m is the threshold of the
distance to S, delta_s that of the distance to another sample of S'.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
