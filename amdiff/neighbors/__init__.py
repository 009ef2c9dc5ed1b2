"""Exact nearest neighbours of images, by pixels, perceptual metrics, or features of one's own.

``embed`` makes a set of an array, ``nearest_neighbors`` searches one set for another, ``radius_pairs`` finds all pairs
within a distance.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
