"""amdiff: memorized, spurious and generalized samples of diffusion models, and the energy landscape behind them."""

__version__ = "0.2.0"
