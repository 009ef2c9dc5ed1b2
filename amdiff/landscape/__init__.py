"""The energy landscape behind a denoiser, any function of (x, t) that predicts the noise.

``find_basins``: how much noise an image survives. ``score_spectra``: curvature around it. ``relative_energy``: how deep
it lies. ``log_likelihood``: its density. Images are tensors in [-1, 1], (n, C, H, W) or of any other shape.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
