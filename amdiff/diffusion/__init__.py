"""Forward processes, denoisers and sampling.

A denoiser is any function ``(x, t) -> noise`` that takes images (n, *shape) and times (n,). ``from_diffusers`` makes a
denoiser from a U-Net and a scheduler of diffusers. ``FiniteSet`` and ``Gaussian`` are exact denoisers in closed form.
``DenseAssociativeMemory`` gives the energy landscape of a finite set of images.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
