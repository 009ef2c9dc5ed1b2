"""The energy of two memories, and when their minima merge into one (eq. 7).

Take two memories at distance D, at the positions -D/2 and D/2 on a line. On that line

    E(x) = x^2 + D^2/4 - 1/beta log(2 cosh(beta D x)),    E'(x) = 2x - D tanh(beta D x)

The midpoint is always stationary, with ``E''(0) = 2 - beta D^2``. tanh is concave for x > 0, so
``2x = D tanh(beta D x)`` has a second solution there exactly when the right-hand side is the steeper one at 0:

- ``beta D^2 <= 2``: the midpoint is the only stationary point, and it is the minimum. It is a spurious state, half-way
  between two data points and equal to neither;
- ``beta D^2 > 2``: there are two minima at +-x*, and a maximum at the midpoint.

In units of D only ``u = beta D^2`` matters: ``2 y = tanh(u y)`` for ``y = x/D``. Across the line E is a parabola.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64
from scipy.optimize import brentq

from amdiff.errors import AmdiffError

MERGING = 2.0
"""The value of beta D^2 at which two minima become one."""


def energy(x: Float[np.ndarray, "..."], beta: float, distance: float) -> Float64[np.ndarray, "..."]:
    """Return the energy E at positions on the line through both memories. Position 0 is half-way between them."""
    far = beta * distance * np.abs(x)
    log_2cosh = far + np.log1p(np.exp(-2 * far))
    return np.asarray(x**2 + distance**2 / 4 - log_2cosh / beta)


def minima(beta: float, distance: float) -> Float64[np.ndarray, " m"]:
    """Return the positions of the one or two minima on the line.

    Raises ``ValueError`` unless both arguments are positive.
    """
    if not (beta > 0 and distance > 0):
        raise AmdiffError(f"beta and the distance must be positive, got {beta} and {distance}")
    u = beta * distance**2
    if u <= MERGING:
        return np.zeros(1)
    y = float(np.sqrt(3 * (1 - MERGING / u)) / u)  # the root to third order; tanh(z) > z - z^3/3, so it lies below
    if np.tanh(u * y) > 2 * y:  # otherwise both sides are equal to the last digit
        y = float(brentq(lambda y: np.tanh(u * y) - 2 * y, y, 0.5))
    return distance * np.array([-y, y])
