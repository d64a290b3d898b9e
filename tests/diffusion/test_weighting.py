"""Weightings: every published objective is a target times a time sampler times a coefficient (arXiv:2303.00848)."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import likelihood, time_sampling, weighting
from genjax.diffusion.process import Process
from genjax.errors import UsageError

from .oracles import gaussian, keys, quadrature

LOGSNR = np.linspace(-8.0, 8.0, 65)  # numpy: float64 although no test is running yet
COSINE = Process("cosine", "vp", -15.0, 15.0)
FLOW = Process("flow", "flow", -15.0, 15.0)


def uniform_t(process):
    return 1 / process.slope(process.time(LOGSNR))


def normal_density(mean, std):
    return jax.scipy.stats.norm.pdf(LOGSNR, mean, std)


def implied(prediction, density, scaling):
    return weighting.implied(prediction, LOGSNR, density, scaling, 0.5)


SNR = np.exp(LOGSNR)
IDENTITIES = {
    "eps-MSE, cosine t": ("simple", {}, lambda: implied("eps", uniform_t(COSINE), "vp")),
    "v-MSE, cosine t": ("flow", {}, lambda: implied("v", uniform_t(COSINE), "vp")),
    "flow-MSE, uniform t": ("flow", {}, lambda: implied("flow", uniform_t(FLOW), "flow")),
    "x0-MSE max(SNR, 3), cosine t": ("snr", {"floor": 3.0}, lambda: implied("x0", uniform_t(COSINE), "vp") * jnp.maximum(SNR, 3.0)),
    "x0-MSE min(SNR, 5), cosine t": ("min_snr", {"gamma": 5.0}, lambda: implied("x0", uniform_t(COSINE), "vp") * jnp.minimum(SNR, 5.0)),
    "x0-MSE harmonic, cosine t": (
        "soft_min_snr",
        {"gamma": 4.0},
        lambda: implied("x0", uniform_t(COSINE), "vp") / (1 / SNR + 1 / 4.0),
    ),
    "P2": ("p2", {"gamma": 0.5, "k": 1.0}, lambda: implied("eps", uniform_t(COSINE), "vp") / (1 + SNR) ** 0.5),
    "EDM": ("edm", {}, lambda: implied("edm", normal_density(2.4, 2.4), "ve")),
    "score-MSE times sigma^2 is eps-MSE": ("elbo", {}, lambda: implied("score", jnp.exp(-LOGSNR), "ve")),
}


@pytest.mark.parametrize("identity", IDENTITIES)
def test_published_objectives(identity):
    name, options, objective = IDENTITIES[identity]
    ratio = objective() / weighting.weight(name, LOGSNR, **options)
    np.testing.assert_allclose(ratio / ratio[32], jnp.ones(65), rtol=1e-9)


def test_sigmoid_is_centred_on_its_bias():
    np.testing.assert_allclose(weighting.weight("sigmoid", jnp.array([-30.0, 2.0, 30.0]), bias=2.0), [1.0, 0.5, 0.0], atol=1e-12)


@pytest.mark.parametrize("name", time_sampling.TIME_SAMPLERS)
def test_the_loss_does_not_depend_on_the_time_sampler(name):
    """Sigmoid weight b = 2, lambda in [-10, 12], data N(0, .25), where E|eps - eps_hat|^2 = .25/(.25 + e^-lambda) a dimension: .66899.

    The draws of one call are no independent ones, so the standard error is that of independent calls; the expectation over data and noise is
    exact, by the moments of four dimensions.
    """
    process, calls, rows = Process("cosine", "vp", -10.0, 12.0), 64, 1 << 12
    at, width = quadrature(np.linspace(-10.0, 12.0, 23))
    exact = width @ (0.5 / (1 + np.exp(at - 2)) * 0.25 / (0.25 + np.exp(-at)))
    assert exact == pytest.approx(0.66899, abs=5e-6)

    @jax.jit
    def losses(of_calls):
        def one_call(key):
            logsnr, density = time_sampling.draw(name, process, key, jnp.arange(rows, dtype=jnp.uint32))
            x0, eps = (jnp.tile(jnp.array(v), (rows, 1)) for v in ([[0.5, 0.5, -0.5, -0.5]], [[1.0, -1.0, 1.0, -1.0]]))
            error = likelihood.eps_error(gaussian(0.5, "vp"), "vp", x0, eps, logsnr) / 4
            return jnp.mean(0.5 * weighting.weight("sigmoid", logsnr, bias=2.0) / density * error)

        return jax.vmap(one_call)(of_calls)

    loss = np.asarray(losses(keys(calls)))
    stderr = loss.std(ddof=1) / math.sqrt(calls)
    assert stderr < 2e-3
    assert loss.mean() == pytest.approx(exact, abs=4 * stderr)


def test_uncertainty_is_minimised_by_the_log_of_the_loss():
    loss = jnp.array([0.1, 1.0, 7.0])
    gradient = jax.grad(lambda u: jnp.sum(weighting.uncertainty(loss, u)))
    np.testing.assert_allclose(gradient(jnp.log(loss)), jnp.zeros(3), atol=1e-12)
    # there, the gradient towards the network is that of log(loss): the same size at every noise level
    np.testing.assert_allclose(jax.grad(lambda v: jnp.sum(weighting.uncertainty(v, jnp.log(loss))))(loss) * loss, jnp.ones(3))


def test_unknown_name():
    with pytest.raises(UsageError, match="min_snr"):
        weighting.weight("minsnr", LOGSNR)
