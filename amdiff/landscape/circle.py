"""Closed forms for infinitely many data points on the unit circle (section 4.1, eq. 8, 13-18).

With ``beta = 1/(2 sigma^2 t)`` and R = |x|, energy and score are, up to a constant,

    E(R) = R^2 + 1 - 1/beta log I0(2 beta R)                 (eq. 8)
    score = 2 beta (I1(2 beta R) / I0(2 beta R) - R) x / R       (eq. 18)

They are computed by scipy's scaled Bessel functions, since the plain ones overflow. The minima form a ring whose radius
solves ``I1(2 beta R)/I0(2 beta R) = R``. It shrinks below 1 as the noise grows, and is 0 where beta <= 1.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64
from scipy.interpolate import RectBivariateSpline
from scipy.optimize import brentq
from scipy.special import i0e, i1e


def energy(points: Float[np.ndarray, "*n 2"], beta: float) -> Float64[np.ndarray, "*n"]:
    """Return the energy E of eq. 8, whose unit is the squared radius of the circle."""
    radius = np.linalg.norm(points.astype(np.float64), axis=-1)
    return np.asarray((radius - 1) ** 2 - np.log(i0e(2 * beta * radius)) / beta)


def score(points: Float[np.ndarray, "*n 2"], beta: float) -> Float64[np.ndarray, "*n 2"]:
    """Return the score, grad log p of eq. 18. It is 0 at the centre."""
    x = points.astype(np.float64)
    radius = np.linalg.norm(x, axis=-1, keepdims=True)
    safe = np.where(radius > 0, radius, 1.0)
    ratio = i1e(2 * beta * radius) / i0e(2 * beta * radius)
    return np.asarray(2 * beta * (ratio - radius) * x / safe)


def log_density(points: Float[np.ndarray, "*n 2"], beta: float) -> Float64[np.ndarray, "*n"]:
    """Return log p(x) in nats: ``-beta E - log(pi / beta)``."""
    return np.asarray(-beta * energy(points, beta) + np.log(beta / np.pi))


def ring_radius(beta: float) -> float:
    """Return the radius R* of the ring of minima. It is 0 for ``beta <= 1``, where the ring has become the centre."""
    if beta <= 1:
        return 0.0
    return float(brentq(lambda r: i1e(2 * beta * r) / i0e(2 * beta * r) - r, 1e-9, 1.0))


def radial_profile(
    grid: Float[np.ndarray, "n n"], axis: Float[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, " r"], Float64[np.ndarray, " r"]]:
    """Average a function on a grid over all angles, by cubic splines.

    Both axes of ``grid`` have the coordinates ``axis``. Returns radii from 0 to the end of ``axis``, and the function's
    mean at each radius.
    """
    spline = RectBivariateSpline(axis, axis, grid)
    radius = np.linspace(0, float(axis[-1]), 301)
    angle = np.arange(256) * 2 * np.pi / 256
    values = spline.ev(radius[:, None] * np.sin(angle), radius[:, None] * np.cos(angle))  # rows are y
    return radius, values.mean(axis=1)
