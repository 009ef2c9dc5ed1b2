"""Log-likelihood by the probability-flow ODE (section A.3, eq. 21-33).

Along the probability flow ``dx/ds = f(x, s)``, whose marginals are those of the forward process, the log-density
changes by minus the divergence of f:

    log p(x, t) = log p_end(x(end)) + integral from t to end of div f ds    (eq. 24)

VE and VP have the same flow when x is divided by the signal. ``y = x / signal`` moves by ``dy = eps(x, t) d rho``. Here
``rho = sigma_t / signal_t`` is the ratio of noise to signal, and eps is the noise prediction (for VE this is eq. 21,
``f = -1/2 sigma^2 s``). The flow is integrated in ``log rho``, in which it is smooth at small and at large times.

The divergence is either the exact trace of the Jacobian, by one backward pass for each dimension, or Hutchinson's
estimate ``e^T J e`` with random signs e (eq. 33), by one backward pass for each probe. The integrator is scipy's RK45
in float64. It takes the same steps for all points, and bounds the root mean square of their errors. The tolerances are
therefore divided by the square root of the number of values, so that they hold for each point.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.integrate import solve_ivp
from torch import Tensor

from amdiff.diffusion.denoisers import Denoiser
from amdiff.diffusion.processes import Process
from amdiff.errors import AmdiffError

from .inputs import floating


def log_likelihood(
    denoiser: Denoiser,
    process: Process,
    x: Float[Tensor, "n ..."],
    start: float,
    log_density_at_end: Callable[[Tensor], Tensor],
    *,
    probes: int | None = None,
    generator: torch.Generator | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    callback: Callable[[float], None] = lambda share: None,
) -> Float64[np.ndarray, " n"]:
    """Return the log-likelihood log p(x, start) of each point, by the probability-flow ODE (section A.3, eq. 21-33).

    Parameters
    ----------
    denoiser
        Predicts the noise in x at times t. It computes in the dtype of ``x``.
    process
        The forward process of the denoiser, VE or VP.
    x
        Points (n, *shape) at the noise level of ``start``, as floating-point numbers.
    start
        Time of the density. In (0, 1) for VE; in [0, T-1) for VP, where it may lie between two noise levels.
    log_density_at_end
        Returns the log-density (n,) at the end of the process of points (n, *shape), float64. See
        ``standard_normal_log_density``.
    probes
        Number of probes of Hutchinson's estimator of the divergence. Default None: the exact trace.
    generator
        Source of the probes, which are drawn once; needed where ``probes`` is given.
    rtol, atol
        Relative and absolute tolerance of the integration, for each point. Default 1e-5.
    callback
        Called with the share of the integration that is done, 0 to 1.

    Returns
    -------
    array
        Log-likelihoods (n,) in nats.

    Raises
    ------
    ValueError
        Where ``start`` is out of range, ``probes`` come without a generator, or the integration fails.
    """
    floating(x)
    if not 0 <= start < process.end or process.levels(np.array(float(start)))[1] == 0:
        raise AmdiffError(
            f"the flow runs from a positive noise level to time {process.end:g}; it cannot start at time {start:g}"
        )
    if probes is not None and (probes < 1 or generator is None):
        raise AmdiffError(
            f"Hutchinson's estimator needs at least one probe and a generator, got {probes} and {generator}"
        )
    n, d, dtype = len(x), x[0].numel(), x.dtype
    (signal, sigma), (last_signal, last_sigma) = (
        tuple(float(level) for level in process.levels(np.array(float(time)))) for time in (start, process.end)
    )
    first, last = math.log(sigma / signal), math.log(last_sigma / last_signal)
    signs = None
    if probes is not None:
        bits = torch.randint(2, (probes, *x.shape), generator=generator, dtype=torch.float64)
        signs = (2 * bits - 1).to(x.device)

    def field(log_ratio: float, state: np.ndarray) -> np.ndarray:
        time = process.time_of(math.exp(log_ratio))
        here_signal, here_sigma = (float(level) for level in process.levels(np.array(time)))
        y = torch.from_numpy(state[: n * d]).view(x.shape).to(x.device)
        eps, divergence = _with_divergence(denoiser, here_signal * y, time, dtype, signs)
        if not (torch.isfinite(eps).all() and torch.isfinite(divergence).all()):
            raise AmdiffError(
                f"the probability-flow ODE could not be integrated: the model is NaN or infinite at time {time:g}"
            )
        callback((log_ratio - first) / (last - first))
        return torch.cat([math.exp(log_ratio) * eps.flatten(), here_sigma * divergence]).cpu().numpy()

    state = np.concatenate([x.double().flatten().cpu().numpy() / signal, np.zeros(n)])
    each = len(state) ** -0.5
    solution = solve_ivp(field, (first, last), state, method="RK45", rtol=rtol * each, atol=atol * each, t_eval=[last])
    if not solution.success or not np.isfinite(solution.y).all():
        raise AmdiffError(
            f"the probability-flow ODE could not be integrated from time {start:g} ({solution.message}); "
            "the field of a model that was trained too little is not smooth: train longer, or start at a later time"
        )
    final = torch.from_numpy(last_signal * solution.y[: n * d, -1]).view(x.shape).to(x.device)
    at_end = log_density_at_end(final).double().cpu().numpy()
    return at_end + d * math.log(last_signal / signal) + solution.y[n * d :, -1]


def _with_divergence(
    denoiser: Denoiser, x: Tensor, time: float, dtype: torch.dtype, signs: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the noise prediction (n, *shape) and its divergence (n,), in float64."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        eps = denoiser(x.to(dtype), torch.full((len(x),), time, dtype=torch.float64, device=x.device)).double()
        total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        if signs is None:
            flat = eps.flatten(1)
            for i in range(flat.shape[1]):
                (row,) = torch.autograd.grad(flat[:, i].sum(), x, retain_graph=True)
                total += row.flatten(1)[:, i]
        else:
            for sign in signs:
                (row,) = torch.autograd.grad((eps * sign).sum(), x, retain_graph=True)
                total += (row * sign).flatten(1).sum(1) / len(signs)
    return eps.detach(), total


def standard_normal_log_density(sigma: float) -> Callable[[Tensor], Tensor]:
    """Return the log-density of N(0, sigma^2 I) as a function of points (n, *shape).

    Learned models start from this distribution, so it serves as ``log_density_at_end`` of ``log_likelihood``.
    """

    def log_density(x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return -flat.square().sum(1) / (2 * sigma**2) - 0.5 * flat.shape[1] * math.log(2 * math.pi * sigma**2)

    return log_density
