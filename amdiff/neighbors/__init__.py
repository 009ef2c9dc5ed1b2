"""Exact nearest neighbours of images, by pixels, perceptual metrics, or your own features.

``embed`` turns an array into a set of vectors. ``nearest_neighbors`` finds nearest neighbours of one set in another.
``radius_pairs`` finds all pairs of a set within a distance.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
