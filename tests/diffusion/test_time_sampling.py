"""Time samplers: honest densities, even spread, and the same noise level for a row wherever the row is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import time_sampling
from genjax.diffusion.process import Process
from genjax.errors import UsageError

PROCESS = Process("cosine", "vp", -12.0, 13.3)
OPTIONS = {"importance": {"table": jnp.array([1.0, 5.0, 2.0, 0.5])}}
KEY = jax.random.key(7)


@pytest.mark.parametrize("name", time_sampling.DENSITIES)
def test_density_is_the_derivative_of_the_quantile(name):
    u = jnp.linspace(0.0, 1.0, 200_001)
    logsnr, density = time_sampling.DENSITIES[name](PROCESS, u, **OPTIONS.get(name, {}))
    low, high = jnp.min(logsnr), jnp.max(logsnr)
    np.testing.assert_allclose([low, high], [-12.0, 13.3], atol=1e-9)
    mass = jnp.abs(jnp.diff(logsnr)) * (density[1:] + density[:-1]) / 2
    np.testing.assert_allclose(jnp.sum(mass), 1.0, atol=1e-4)
    middle = slice(1000, -1000)
    np.testing.assert_allclose(jnp.median(mass[middle] * 200_000), 1.0, atol=1e-6)


def test_normals_in_log_sigma_and_in_logit_tau_are_normals_in_lambda():
    wide = Process("linear", "vp", -40.0, 40.0)
    ids = jnp.arange(1 << 12, dtype=jnp.uint32)
    logsnr, _ = time_sampling.draw("lognormal_sigma", wide, KEY, ids)
    log_sigma = -logsnr / 2
    np.testing.assert_allclose([jnp.mean(log_sigma), jnp.std(log_sigma)], [-1.2, 1.2], atol=5e-3)
    logsnr, _ = time_sampling.draw("logit_normal", wide, KEY, ids, mean=0.5, std=0.8)
    tau = jax.nn.sigmoid(-logsnr / 2)  # sigma/(alpha + sigma)
    logit = jnp.log(tau / (1 - tau))
    np.testing.assert_allclose([jnp.mean(logit), jnp.std(logit)], [0.5, 0.8], atol=5e-3)


@pytest.mark.parametrize("name", time_sampling.TIME_SAMPLERS)
def test_a_row_meets_the_same_noise_in_any_batch(name, float32):
    ids = jnp.arange(100, 164, dtype=jnp.uint32)
    draw = jax.jit(lambda ids: time_sampling.draw(name, PROCESS, KEY, ids, **OPTIONS.get(name, {})))
    whole, density = draw(ids)
    assert whole.dtype == density.dtype == jnp.float32
    parts = jnp.concatenate([draw(ids[i : i + 16])[0] for i in range(0, 64, 16)])
    np.testing.assert_array_equal(whole, parts)
    assert jnp.all((whole >= -12.0) & (whole <= np.float32(13.3)) & (density > 0))


@pytest.mark.parametrize("first", [0, 12345, 2**32 - 40])
@pytest.mark.parametrize("rows", [2, 7, 64, 1000])
def test_lattice_fills_the_interval_evenly(rows, first):
    """Consecutive ids leave no gap above 2.2/n and none below .3/n (three-distance theorem), also where uint32 ids wrap."""
    ids = jnp.asarray((first + np.arange(rows)) % 2**32, jnp.uint32)
    u = jnp.sort(time_sampling.lattice(KEY, ids))
    gaps = jnp.diff(jnp.append(u, u[0] + 1)) * rows
    assert jnp.max(gaps) < 2.2 and jnp.min(gaps) > 0.3


def test_lattice_is_the_golden_ratio_in_exact_arithmetic():
    """u_i - u_0 = frac(i phi), with phi = round(2^32 / golden ratio)/2^32 in unbounded integers."""
    phi = round(2**32 / ((1 + 5**0.5) / 2))
    ids = [0, 1, 2, 1_000_003, 4_000_000_000, 2**32 - 1]
    u = np.asarray(time_sampling.lattice(KEY, jnp.asarray(ids, jnp.uint32)))
    want = np.array([i * phi % 2**32 / 2**32 for i in ids])
    difference = (u - u[0] - want + 0.5) % 1 - 0.5
    np.testing.assert_allclose(difference, 0.0, atol=2.0**-23)


def test_lattice_is_uniform_over_keys():
    keys = jax.random.split(KEY, 4096)
    u = jax.vmap(lambda key: time_sampling.lattice(key, jnp.arange(3, dtype=jnp.uint32)))(keys)
    np.testing.assert_allclose(jnp.mean(u, axis=0), 0.5, atol=4 * 12**-0.5 / 64)
    np.testing.assert_allclose(jnp.mean(u**2, axis=0), 1 / 3, atol=4 * 0.3 / 64)


def test_pairs_are_antithetic():
    u = time_sampling.pairs(KEY, jnp.arange(10, dtype=jnp.uint32))
    np.testing.assert_allclose(u[::2] + u[1::2], jnp.ones(5), atol=1e-15)
    assert len(set(np.asarray(u).tolist())) == 10


def test_even_spread_lowers_the_variance():
    """The reason for the lattice: the mean of a batch of 64 varies over steps much less than with independent rows."""
    ids, keys = jnp.arange(64, dtype=jnp.uint32), jax.random.split(KEY, 200)
    spread = lambda name: jnp.std(jax.vmap(lambda key: jnp.mean(time_sampling.draw(name, PROCESS, key, ids)[0]))(keys))
    assert spread("stratified") < 0.4 * spread("uniform")


def test_unknown_name():
    with pytest.raises(UsageError, match="stratified"):
        time_sampling.draw("stratifed", PROCESS, KEY, jnp.arange(4))
