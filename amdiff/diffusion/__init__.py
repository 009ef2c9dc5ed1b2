"""Forward processes, denoisers and sampling.

A denoiser is any function ``(x, t) -> noise`` of images (n, *shape) and times (n,); ``from_diffusers`` makes one of a
pipeline's parts, ``FiniteSet`` and ``Gaussian`` are closed forms, and ``DenseAssociativeMemory`` is the landscape of a
finite set itself.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
