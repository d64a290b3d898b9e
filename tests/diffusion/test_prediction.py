"""Targets: the affine map inverts itself, and every conversion agrees with calculus."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import prediction
from genjax.diffusion.process import SCALINGS, Process, alpha_sigma, bcast, perturb
from genjax.errors import UsageError

from .oracles import MILD, normal

scalings = pytest.mark.parametrize("scaling", SCALINGS)


def noisy(scaling):
    """(x0, eps, logsnr, x) as numpy arrays."""
    logsnr = np.linspace(-12.0, 12.0, 49)
    x0, eps = 0.5 * normal(49, 5), normal(49, 5, seed=1)
    alpha, sigma = alpha_sigma(logsnr, scaling)
    return x0, eps, logsnr, alpha[:, None] * x0 + sigma[:, None] * eps


def round_trips(names, scaling):
    """x0 from the target of x0, for every target."""

    @jax.jit
    def there_and_back(x0, eps, logsnr):
        x = perturb(Process("cosine", scaling, -12.0, 12.0), x0, logsnr, eps)
        outputs = {name: prediction.target(name, x0, eps, logsnr, scaling, 0.5) for name in names}
        return {name: prediction.to_x0(name, x, output, logsnr, scaling, 0.5) for name, output in outputs.items()}

    return there_and_back(*noisy(scaling)[:3])


@scalings
def test_round_trip(scaling):
    for name, x0 in round_trips(prediction.PREDICTIONS, scaling).items():
        np.testing.assert_allclose(x0, noisy(scaling)[0], atol=1e-12, err_msg=name)


@scalings
def test_round_trip_in_float32(scaling, float32):
    """eps, score and (in ve) velocity lose a digit for every factor of ten in sigma/alpha, as their docstring says; these do not."""
    for name, x0 in round_trips(["x0", "v", "flow", "edm"], scaling).items():
        assert x0.dtype == jnp.float32
        np.testing.assert_allclose(x0, noisy(scaling)[0], atol=1e-5, err_msg=name)


def test_targets_are_what_their_papers_say():
    x0, eps, logsnr, x = noisy("vp")
    alpha, sigma = (v[:, None] for v in alpha_sigma(logsnr, "vp"))
    want = {
        "x0": x0,
        "eps": eps,
        "score": -eps / sigma,
        "v": alpha * eps - sigma * x0,
        "flow": eps - x0,
        # with d/d(-lambda): alpha' = -alpha sigma^2/2, sigma' = sigma alpha^2/2
        "velocity": alpha * sigma / 2 * (alpha * eps - sigma * x0),
        "edm": (x0 - 0.25 * alpha / (0.25 * alpha**2 + sigma**2) * x) * np.sqrt(0.25 * alpha**2 + sigma**2) / (0.5 * sigma),
    }
    assert want.keys() == prediction.PREDICTIONS.keys()
    for name, output in want.items():
        got = jax.jit(lambda logsnr, name=name: prediction.target(name, x0, eps, logsnr, "vp", 0.5))(logsnr)
        np.testing.assert_allclose(got, output, atol=1e-9, rtol=1e-9)


def test_edm_coefficients_are_those_of_the_paper():
    """arXiv:2206.00364, table 1, in the VE scaling where its sigma is ours."""
    sigma, sd = jnp.geomspace(0.002, 80.0, 9), 0.5
    c = prediction.coefficients("edm", -2 * jnp.log(sigma), "ve", sd)
    np.testing.assert_allclose(c.c_skip, sd**2 / (sigma**2 + sd**2), rtol=1e-12)
    np.testing.assert_allclose(c.c_out, sigma * sd / jnp.sqrt(sigma**2 + sd**2), rtol=1e-12)
    np.testing.assert_allclose(c.c_in, 1 / jnp.sqrt(sigma**2 + sd**2), rtol=1e-12)


@scalings
def test_edm_sees_and_gives_unit_variance(scaling):
    @jax.jit
    def seen_and_given(x0, eps, logsnr):
        x = perturb(Process("linear", scaling, -8.0, 8.0), x0, logsnr, eps)
        c_in = prediction.coefficients("edm", logsnr, scaling, 0.5).c_in
        return bcast(c_in, x) * x, prediction.target("edm", x0, eps, logsnr, scaling, 0.5)

    logsnr = np.linspace(-8.0, 8.0, 5)
    for value in seen_and_given(0.5 * normal(5, 40_000), normal(5, 40_000, seed=1), logsnr):
        np.testing.assert_allclose(np.std(value, axis=1), 1.0, rtol=4 / np.sqrt(80_000))


@scalings
def test_score_is_the_gradient_of_the_log_density(scaling):
    x, logsnr = np.linspace(-2.0, 2.0, 9)[:, None], np.linspace(-4.0, 4.0, 9)
    alpha, sigma = alpha_sigma(logsnr, scaling)
    log_prob = lambda x, a, s: MILD.log_prob((x / a)[None], (s / a) ** 2)[0]
    want = jax.jit(jax.vmap(jax.grad(log_prob)))(x, alpha, sigma)
    x0_hat = jax.jit(MILD.denoiser(scaling))(x, logsnr)
    eps_hat = prediction.eps_from_x0(x, x0_hat, logsnr, scaling)
    np.testing.assert_allclose(prediction.target("score", x0_hat, eps_hat, logsnr, scaling, 0.5), want, rtol=1e-9)


@scalings
def test_velocity_is_the_motion_of_a_noisy_point(scaling):
    x0, eps, logsnr, x = noisy(scaling)
    process = Process("linear", scaling, -20.0, 20.0)

    @jax.jit
    def both(logsnr):
        _, motion = jax.jvp(lambda at: perturb(process, x0, at, eps), (logsnr,), (-jnp.ones_like(logsnr),))
        return motion, prediction.target("velocity", x0, eps, logsnr, scaling, 0.5)

    motion, velocity = both(logsnr)
    np.testing.assert_allclose(velocity, motion, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(prediction.eps_from_x0(x, x0, logsnr, scaling), eps, atol=1e-9)


def test_zero_terminal_snr_is_refused_where_it_would_fail():
    terminal = Process("linear", "vp", -30.0, 10.0)
    for name in ("eps", "score"):
        with pytest.raises(UsageError, match="x0, v, flow or edm"):
            prediction.check(name, terminal)
        prediction.check(name, Process("linear", "vp", -20.0, 10.0))
    for name in ("x0", "v", "flow", "edm"):
        prediction.check(name, terminal)
        jax.jit(lambda x, name=name: (prediction.check(name, terminal), x)[1])(1.0)  # may be called while tracing
    with pytest.raises(UsageError, match="epsilon"):
        prediction.check("epsilon", terminal)
