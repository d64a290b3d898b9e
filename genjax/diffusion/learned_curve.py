"""VDM's learned curve of log-SNR: monotone by construction, trained to make the loss estimate less noisy.

    lambda(t) = logsnr_max - (logsnr_max - logsnr_min) (g(t) - g(0)) / (g(1) - g(0))                        (1)
    g(t) = w t + sum_k v_k sigmoid(c_k t + b_k),   w, v_k, c_k > 0                  arXiv:2107.00630 (2)

Bound to its parameters it is a `process.Path`.
The ends stay those of the process (learned ends drift). Between them the bound does not depend on the curve, so its gradient is pure noise;
what the curve can lower is the variance of the estimate l = 1/2 slope |eps_hat - eps|^2 at uniform t. As E[l] is fixed, that is E[l^2]:

    d/deta E[l^2] = E[2 l (dl/dlambda dlambda/deta + dl/dslope dslope/deta)]     (3)

l and its derivatives in lambda and slope are there already when the network's gradient of l is: (3) only scales them by 2 l, a row at a time.
At its best the curve visits noise levels with the density 1/slope ~ sqrt(E[|eps_hat - eps|^4 | lambda]): importance sampling of noise levels
(arXiv:2102.09672, sec. 3.3) that needs no running profile beside the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from genjax.diffusion.process import Process
from genjax.types import Array, Key, Params


def init(key: Key, width: int = 64) -> Params:
    """Parameters of (2), a dictionary of arrays; near the linear curve."""

    def positive(value, shape):  # softplus of it is `value`
        return jnp.full(shape, jnp.log(jnp.expm1(value)))

    return {
        "line": positive(1.0, (1,)),
        "height": positive(0.1 / width, (width,)),
        "rate": positive(8.0, (width,)),
        "offset": jax.random.uniform(key, (width,), minval=-8.0, maxval=0.0),  # the sigmoids bend at -offset/rate in [0, 1]
    }


def logsnr_and_slope(params: Params, process: Process, t: Array) -> tuple[Array, Array]:
    """lambda(t) and -dlambda/dt > 0 of (1) for t in [0, 1], any shape; of `process` only the ends count."""
    line, height, rate = (jax.nn.softplus(params[name]) for name in ("line", "height", "rate"))

    def g(t):
        bends = jax.nn.sigmoid(jnp.multiply.outer(t, rate) + jnp.broadcast_to(params["offset"], (*t.shape, *rate.shape)))
        return line[0] * t + bends @ height

    start, end = g(jnp.zeros_like(t)), g(jnp.ones_like(t))
    scale = (process.logsnr_max - process.logsnr_min) / (end - start)
    value, rate = jax.jvp(g, (t,), (jnp.ones_like(t),))
    return process.logsnr_max - scale * (value - start), scale * rate


def least_variance(loss_rows: Callable[[Params, Array, Array], tuple[Array, Any]]) -> Callable[[Params, Array, Array], tuple[Array, Any]]:
    """The same losses l [B], differentiated towards their mean in `params` and towards their mean square in lambda and slope.

    Args:
      loss_rows: (params, logsnr [B], slope [B]) -> l [B], row i of its own logsnr and slope only; and what else is to be known, which has
        no gradient.

    Returns:
      A function of the same arguments and value. Its cotangents for logsnr and slope are multiplied by 2 l: with these from
      `logsnr_and_slope`, one backward pass of the mean loss trains the network on l and the curve on equation (3).
    """

    @jax.custom_vjp
    def losses(params, logsnr, slope):
        return loss_rows(params, logsnr, slope)

    def forward(params, logsnr, slope):
        value, pull, aux = jax.vjp(loss_rows, params, logsnr, slope, has_aux=True)
        return (value, aux), (value, pull)

    def backward(residuals, cotangent):
        value, pull = residuals
        of_params, of_logsnr, of_slope = pull(cotangent[0])
        return of_params, 2 * value * of_logsnr, 2 * value * of_slope

    losses.defvjp(forward, backward)
    return losses
