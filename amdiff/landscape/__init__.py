"""Measure the energy landscape of a denoiser. A denoiser is any function of (x, t) that predicts the noise in x.

``find_basins`` measures how much noise an image survives, ``score_spectra`` the curvature around it,
``relative_energy`` how deep it lies, and ``log_likelihood`` its density. Images are tensors in [-1, 1], of shape
(n, C, H, W) or (n, *shape). Times are indices of noise levels, 0 to T-1.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
