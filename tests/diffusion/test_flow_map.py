"""Flow maps. Oracle: in one dimension the probability flow is monotone, so its exact map matches distribution functions, without any solver.

With an exact map in the place of a network, the gradient of a loss in any direction is an expectation that quadrature gives to many digits.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest, norm

from genjax.diffusion import flow_map, grid
from genjax.diffusion.process import Process
from tests.diffusion.oracles import MILD, keys, normal

WEIGHTS, MEANS, STDS = MILD.weights[None], MILD.means.T, MILD.stds[None]  # [1, K]
S_MIN, S_MAX = 0.02, 50.0


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def cdf(y, s):
    """F_s(y) of the mixture at noise s, both [B]."""
    return jnp.sum(WEIGHTS * jax.scipy.special.ndtr((y[:, None] - MEANS) / jnp.sqrt(STDS**2 + s[:, None] ** 2)), axis=-1)


def pdf(y, s):
    return jnp.sum(WEIGHTS * jax.scipy.stats.norm.pdf(y[:, None], MEANS, jnp.sqrt(STDS**2 + s[:, None] ** 2)), axis=-1)


def flow(y, s, r):
    """Where the flow takes y from noise s to noise r, all [B]: F_r(y') = F_s(y). Bisection, then one Newton step, which carries the derivatives."""
    level = cdf(y, s)

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        above = cdf(middle, r) > level
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    low, high = jax.lax.fori_loop(0, 60, halve, (jnp.full_like(y, -400.0), jnp.full_like(y, 400.0)))
    found = jax.lax.stop_gradient((low + high) / 2)
    return found - (cdf(found, r) - level) / jax.lax.stop_gradient(pdf(found, r))


def to_data(y, s):
    """The exact consistency map."""
    return flow(y[:, 0], s, jnp.full_like(s, S_MIN))[:, None]


def mean_velocity(z, r, t):
    """The exact u(z, r, t) for r < t, from z = (1 - t) y and s = t/(1 - t)."""
    end = (1 - r) * flow(z[:, 0] / (1 - t), t / (1 - t), r / (1 - r))
    return (z - end[:, None]) / (t - r)[:, None]


def posterior(y, s):
    """Nodes [B, N] and weights [B, N] of p(x0 | y) at noise s, y and s [B]: exact for polynomials in every component."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    variance = STDS**2 + s[:, None] ** 2
    terms = np.log(WEIGHTS) + norm.logpdf(y[:, None], MEANS, np.sqrt(variance))
    share = np.exp(terms - terms.max(-1, keepdims=True))
    share /= share.sum(-1, keepdims=True)
    means = MEANS + STDS**2 / variance * (y[:, None] - MEANS)
    spread = STDS * s[:, None] / np.sqrt(variance)
    x0 = means[..., None] + spread[..., None] * nodes
    return x0.reshape(len(y), -1), (share[..., None] * weights / weights.sum()).reshape(len(y), -1)


def expected(error, y, s):
    """E[error(x0, eps, ...) | y] [B] for y, s [B]."""
    x0, weights = posterior(y, s)
    eps = (y[:, None] - x0) / s[:, None]
    rows = lambda v: jnp.asarray(np.repeat(v, x0.shape[1]))
    values = error(jnp.asarray(x0.reshape(-1, 1)), jnp.asarray(eps.reshape(-1, 1)), rows)
    return np.sum(weights * np.asarray(values).reshape(x0.shape), axis=1)


LEVELS = np.linspace(0.02, 0.98, 9)


# ---- mean flow -----------------------------------------------------------------------------------------------------

TIMES = [(0.1, 0.5), (0.3, 0.9), (0.02, 0.97), (0.6, 0.62)]


def mean_flow_bias(u, r, t):
    """E[error | z] at nine quantiles of z at time t."""
    s = t / (1 - t)
    y = MILD.quantiles(LEVELS, s)
    error = jax.jit(lambda x0, eps, r, t: flow_map.mean_flow_error(u, x0, eps, r, t))
    return expected(lambda x0, eps, rows: error(x0, eps, rows(np.full(len(y), r)), rows(np.full(len(y), t))), y, np.full(len(y), s))


@pytest.mark.parametrize(("r", "t"), TIMES)
def test_the_exact_mean_velocity_is_a_fixed_point_of_mean_flow(r, t):
    """At every point and for every pair of times the expected gradient vanishes, however far apart they are."""
    assert np.abs(mean_flow_bias(mean_velocity, r, t)).max() < 1e-9


@pytest.mark.parametrize(
    "wrong",
    [
        lambda z, r, t: mean_velocity(z, r, t) + 0.1 * jnp.sin(z),
        lambda z, r, t: mean_velocity(z, 0.9 * r, t),
        lambda z, r, t: jnp.tanh(z),
    ],
    ids=["bent", "for other times", "any other"],
)
def test_other_mean_velocities_are_not(wrong):
    assert all(np.abs(mean_flow_bias(wrong, r, t)).max() > 1e-3 for r, t in TIMES)


@pytest.mark.parametrize("theta", [-0.2, 0.2])
def test_the_gradient_of_mean_flow_points_back_to_the_exact_map(theta):
    """u* + theta h: the derivative of the expected loss by theta has theta's sign, and is zero at zero."""
    r, t = 0.3, 0.8
    y, s = MILD.quantiles(np.linspace(0.01, 0.99, 25), t / (1 - t)), t / (1 - t)

    def slope(theta):
        def loss(theta, x0, eps, r, t):
            u = lambda z, r, t: mean_velocity(z, r, t) + theta * jnp.sin(z)
            return 0.5 * flow_map.mean_flow_error(u, x0, eps, r, t) ** 2

        by_theta = jax.jit(lambda *a: jax.jvp(lambda th: loss(th, *a), (theta,), (1.0,))[1])
        return expected(lambda x0, eps, rows: by_theta(x0, eps, rows(np.full(25, r)), rows(np.full(25, t))), y, np.full(25, s)).mean()

    assert abs(slope(0.0)) < 1e-9
    assert np.sign(slope(theta)) == np.sign(theta)
    assert abs(slope(theta)) > 1e-2


def test_with_equal_times_mean_flow_is_flow_matching():
    u = lambda z, r, t: jnp.sin(3 * z) * (t - r + 1)[:, None]
    x0, eps, t = jnp.asarray(normal(5, 1)), jnp.asarray(normal(5, 1, seed=1)), jnp.linspace(0.1, 0.9, 5)
    z = (1 - t[:, None]) * x0 + t[:, None] * eps
    np.testing.assert_allclose(flow_map.mean_flow_error(u, x0, eps, t, t), jnp.sin(3 * z) - (eps - x0), rtol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_walks_with_the_exact_mean_velocity_end_at_the_quantiles_of_the_data(steps):
    times = jnp.asarray(np.linspace(0.98, 0.01, steps + 1))
    start, end = (MILD.quantiles(LEVELS, t / (1 - t)) * (1 - t) for t in (0.98, 0.01))
    path = flow_map.mean_flow_walk(mean_velocity, times, jnp.asarray(start[:, None]))
    assert path.shape == (steps, 9, 1)
    np.testing.assert_allclose(path[-1, :, 0], end, atol=1e-9)


# ---- consistency ---------------------------------------------------------------------------------------------------


def consistency_bias(f, s, distance):
    """E[error | y_s] / (s - r) at nine quantiles of y, with r = s (1 - distance)."""
    y, r = MILD.quantiles(LEVELS, s), s * (1 - distance)
    error = jax.jit(lambda x0, eps, s, r: flow_map.consistency_error(f, x0, eps, s, r))
    return expected(lambda x0, eps, rows: error(x0, eps, rows(np.full(9, s)), rows(np.full(9, r)))[:, 0], y, np.full(9, s)) / (s - r)


@pytest.mark.parametrize("s", [0.1, 0.6, 5.0])
def test_the_exact_map_is_the_fixed_point_of_consistency_as_pairs_come_closer(s):
    """The expected gradient is of first order in the distance of a pair: it halves with it."""
    far, near, nearest = (np.abs(consistency_bias(to_data, s, distance)).max() for distance in (0.02, 0.01, 0.005))
    assert far / near == pytest.approx(2.0, abs=0.05)
    assert near / nearest == pytest.approx(2.0, abs=0.03)


@pytest.mark.parametrize("s", [0.1, 0.6])
def test_other_maps_keep_their_change_along_the_flow(s):
    """The ideal denoiser, which is no flow map: what is left is its derivative along the flow, d_s D + d_y D (y - D)/s."""
    mean = lambda y, s: MILD.posterior_mean(y, s[:, None] ** 2)
    y, levels = jnp.asarray(MILD.quantiles(LEVELS, s)[:, None]), jnp.full(9, s)
    along = jax.jvp(mean, (y, levels), ((y - mean(y, levels)) / s, jnp.ones(9)))[1][:, 0]
    far, near = (consistency_bias(mean, s, distance) for distance in (0.002, 0.001))
    np.testing.assert_allclose(2 * near - far, along, atol=1e-5)
    assert np.abs(along).max() > 0.1


def test_only_the_noisier_end_of_a_pair_is_learned():
    f = lambda theta: lambda y, s: theta * y * s[:, None]
    x0, eps, s, r = jnp.asarray(normal(4, 2)), jnp.asarray(normal(4, 2, seed=1)), jnp.full(4, 0.9), jnp.full(4, 0.4)
    gradient = jax.jacfwd(lambda theta: flow_map.consistency_error(f(theta), x0, eps, s, r))(2.0)
    np.testing.assert_allclose(gradient, (x0 + 0.9 * eps) * 0.9, rtol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_samples_with_the_exact_map_are_of_the_mixture(steps):
    """Kolmogorov-Smirnov at the 1 % level; the data are seen through the noise of s_min."""
    rows = 20_000
    start = jnp.asarray(MILD.sample(rows) + S_MAX * normal(rows, 1, seed=1))
    levels = jnp.asarray(np.geomspace(S_MAX, S_MIN, steps + 1))
    path = flow_map.consistency_walk(to_data, levels, start, keys(rows))
    assert path.shape == (steps, rows, 1)
    std = np.sqrt(STDS**2 + S_MIN**2)
    assert kstest(np.asarray(path[-1, :, 0]), lambda y: (WEIGHTS * norm.cdf((y[:, None] - MEANS) / std)).sum(-1)).pvalue > 0.01


def test_a_consistency_map_starts_as_the_identity():
    c = flow_map.coefficients(jnp.array([S_MIN, S_MAX]), S_MIN, 0.5)
    assert (float(c.c_skip[0]), float(c.c_out[0])) == (1.0, 0.0)
    assert float(c.c_skip[1]) == pytest.approx(0, abs=2e-4)
    s = jnp.array([0.3, 2.0])
    np.testing.assert_allclose(flow_map.coefficients(s, S_MIN, 0.5).c_in, 1 / np.sqrt(0.25 + np.array(s) ** 2), rtol=1e-12)


@pytest.mark.parametrize("name", flow_map.PAIRS)
def test_pairs_lie_between_the_ends_and_come_closer(name):
    s = jnp.asarray(np.geomspace(S_MIN, S_MAX, 101))
    gaps = []
    for progress in (0.0, 0.5, 0.999, 1.0):
        above, below = flow_map.PAIRS[name](s, jnp.full(101, progress), (S_MIN, S_MAX))
        assert (below >= S_MIN * (1 - 1e-12)).all()
        assert (above > below).all()
        assert (above <= S_MAX * (1 + 1e-12)).all()
        gaps.append(np.median(1 - below / above))
    assert gaps[0] > 5 * gaps[1] > 5 * gaps[2] == 5 * gaps[3]


@pytest.mark.parametrize(("progress", "steps"), [(0.0, 10), (0.2, 20), (0.99, 1280), (1.0, 1280)])
def test_pairs_of_a_grid_are_its_neighbours(progress, steps):
    """128 = 2^7, so the eight equal parts of a training have 10, 20, ..., 1280 steps."""
    nodes = np.exp(-grid.karras(Process("karras", "ve", -2 * np.log(S_MAX), -2 * np.log(S_MIN)), steps) / 2)[::-1]
    s = np.geomspace(S_MIN * 1.01, S_MAX * 0.99, 57)
    above, below = flow_map.karras(jnp.asarray(s), jnp.full(57, progress), (S_MIN, S_MAX))
    at = np.searchsorted(nodes, s, side="right")
    np.testing.assert_allclose(above, nodes[at], rtol=1e-9)
    np.testing.assert_allclose(below, nodes[at - 1], rtol=1e-9)


@pytest.mark.parametrize(("progress", "share"), [(0.0, 1 - 1 / 2), (0.13, 1 - 1 / 4), (1.0, 1 - 1 / 256)])
def test_the_ratio_of_a_pair_is_one_power_of_two_a_stage(progress, share):
    """Where 8 sigmoid(-s) is nothing: at s = 40."""
    above, below = flow_map.ratio(jnp.array([40.0]), jnp.array([progress]), (S_MIN, S_MAX))
    assert float(below[0] / above[0]) == pytest.approx(share, abs=1e-12)


# ---- distances -----------------------------------------------------------------------------------------------------


def test_distances():
    error = jnp.array([0.0, 1e-8, 4.0])
    np.testing.assert_array_equal(flow_map.squared(error, 64), error)
    c = 0.01 * 8
    np.testing.assert_allclose(flow_map.pseudo_huber(error, 64, scale=0.01), [0, 1e-8 / (2 * c), np.sqrt(4 + c**2) - c], rtol=1e-6)
    np.testing.assert_allclose(flow_map.adaptive(error, 64, power=0.5, floor=1e-3), error / np.sqrt(np.array(error) + 1e-3), rtol=1e-12)
    slope = jax.vmap(jax.grad(lambda e: flow_map.adaptive(e, 64, floor=1e-3)))(error)
    np.testing.assert_allclose(slope, 1 / (np.array(error) + 1e-3), rtol=1e-12)
