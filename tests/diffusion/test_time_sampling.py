"""Time samplers: honest densities, even spread, and the same noise level for a row wherever the row is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import time_sampling
from genjax.diffusion.process import Process
from genjax.errors import UsageError

from .oracles import keys

PROCESS = Process("cosine", "vp", -12.0, 13.3)
KEY = jax.random.key(7)


@pytest.mark.parametrize("name", time_sampling.DENSITIES)
def test_density_is_the_derivative_of_the_quantile(name):
    quantile = jax.jit(lambda u: time_sampling.DENSITIES[name](PROCESS, u))
    logsnr, density = (np.asarray(v) for v in quantile(np.linspace(0.0, 1.0, 200_001)))
    np.testing.assert_allclose([logsnr.min(), logsnr.max()], [-12.0, 13.3], atol=1e-9)
    mass = np.abs(np.diff(logsnr)) * (density[1:] + density[:-1]) / 2
    np.testing.assert_allclose(mass.sum(), 1.0, atol=1e-4)
    np.testing.assert_allclose(np.median(mass[1000:-1000] * 200_000), 1.0, atol=1e-6)


def test_normals_in_log_sigma_and_in_logit_tau_are_normals_in_lambda():
    wide = Process("linear", "vp", -40.0, 40.0)
    ids = jnp.arange(1 << 12, dtype=jnp.uint32)
    draw = lambda name, **options: np.asarray(jax.jit(lambda ids: time_sampling.draw(name, wide, KEY, ids, **options)[0])(ids))
    log_sigma = -draw("lognormal_sigma") / 2
    np.testing.assert_allclose([log_sigma.mean(), log_sigma.std()], [-1.2, 1.2], atol=5e-3)
    tau = 1 / (1 + np.exp(draw("logit_normal", mean=0.5, std=0.8) / 2))  # sigma/(alpha + sigma)
    logit = np.log(tau / (1 - tau))
    np.testing.assert_allclose([logit.mean(), logit.std()], [0.5, 0.8], atol=5e-3)


@pytest.mark.parametrize("name", time_sampling.TIME_SAMPLERS)
def test_a_row_meets_the_same_noise_in_any_batch(name, float32):
    ids = jnp.arange(100, 164, dtype=jnp.uint32)
    draw = jax.jit(lambda ids: time_sampling.draw(name, PROCESS, KEY, ids))
    whole, density = draw(ids)
    assert whole.dtype == density.dtype == jnp.float32
    parts = np.concatenate([draw(ids[i : i + 16])[0] for i in range(0, 64, 16)])
    np.testing.assert_array_equal(whole, parts)
    whole, density = np.asarray(whole), np.asarray(density)
    assert np.all((whole >= -12.0) & (whole <= np.float32(13.3)) & (density > 0))


@pytest.mark.parametrize("first", [0, 12345, 2**32 - 40])
@pytest.mark.parametrize("rows", [2, 7, 64, 1000])
def test_lattice_fills_the_interval_evenly(rows, first):
    """Consecutive ids leave no gap above 2.2/n and none below .3/n (three-distance theorem), also where uint32 ids wrap."""
    ids = jnp.asarray((first + np.arange(rows)) % 2**32, jnp.uint32)
    u = np.sort(time_sampling.lattice(KEY, ids))
    gaps = np.diff(np.append(u, u[0] + 1)) * rows
    assert gaps.max() < 2.2 and gaps.min() > 0.3


def test_lattice_is_the_golden_ratio_in_exact_arithmetic():
    """u_i - u_0 = frac(i phi), with phi = round(2^32 / golden ratio)/2^32 in unbounded integers."""
    phi = round(2**32 / ((1 + 5**0.5) / 2))
    ids = [0, 1, 2, 1_000_003, 4_000_000_000, 2**32 - 1]
    u = np.asarray(time_sampling.lattice(KEY, jnp.asarray(ids, jnp.uint32)))
    want = np.array([i * phi % 2**32 / 2**32 for i in ids])
    difference = (u - u[0] - want + 0.5) % 1 - 0.5
    np.testing.assert_allclose(difference, 0.0, atol=2.0**-23)


def test_lattice_is_uniform_over_keys():
    u = jax.jit(jax.vmap(lambda key: time_sampling.lattice(key, jnp.arange(3, dtype=jnp.uint32))))(keys(4096))
    np.testing.assert_allclose(np.mean(u, axis=0), 0.5, atol=4 * 12**-0.5 / 64)
    np.testing.assert_allclose(np.mean(np.square(u), axis=0), 1 / 3, atol=4 * 0.3 / 64)


def test_pairs_are_antithetic():
    u = np.asarray(jax.jit(time_sampling.pairs)(KEY, jnp.arange(10, dtype=jnp.uint32)))
    np.testing.assert_allclose(u[::2] + u[1::2], np.ones(5), atol=1e-15)
    assert len(set(u.tolist())) == 10


def test_even_spread_lowers_the_variance():
    """The reason for the lattice: the mean of a batch of 64 varies over steps much less than with independent rows."""
    mean = lambda name, key: jnp.mean(time_sampling.draw(name, PROCESS, key, jnp.arange(64, dtype=jnp.uint32))[0])
    spread = {name: np.std(jax.jit(jax.vmap(lambda key, name=name: mean(name, key)))(keys(200))) for name in ("stratified", "uniform")}
    assert spread["stratified"] < 0.4 * spread["uniform"]


def test_unknown_name():
    with pytest.raises(UsageError, match="stratified"):
        time_sampling.draw("stratifed", PROCESS, KEY, jnp.arange(4))
