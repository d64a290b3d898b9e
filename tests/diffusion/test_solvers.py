"""Solvers against exact solutions: fitted orders, exact variances, and invariance to scaling and batch."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import grid, prediction, solvers
from genjax.diffusion.process import SCALINGS, Process, alpha_sigma, prior_std
from genjax.errors import UsageError

from .oracles import MILD, bent, gaussian, keys, normal

EDM = Process("karras", "ve", -2 * math.log(80.0), -2 * math.log(0.002))


def run(denoise, name, points, x, rows=None, **options):
    call = jax.jit(lambda x, rows: solvers.sample(denoise, solvers.make(name, **options), points, x, rows).x)
    return call(x, keys(len(x)) if rows is None else rows)


def walk(denoise, name, points, x, z, **options):
    """A sampler with the noise given: z [steps, draws, *x.shape]."""
    noise = lambda index, draw: jnp.asarray(z, x.dtype)[index, draw]
    return jax.jit(lambda x: solvers.walk(denoise, solvers.make(name, **options), points, x, noise).x)(x)


# ---- order of accuracy ---------------------------------------------------------------------------------------------


@functools.cache
def flow_ends():
    """25 quantiles of the mild mixture at sigma 10, and where the exact flow takes them, at .05."""
    levels = np.linspace(0.02, 0.98, 25)
    return MILD.quantiles(levels, 10.0)[:, None], MILD.quantiles(levels, 0.05)[:, None]


def flow_error(name, steps, scaling="ve"):
    """RMS over the quantiles of x/alpha, sigma/alpha 10 -> .05 on an even log-SNR grid."""
    start, end = flow_ends()
    points = grid.make("uniform_logsnr", Process("linear", scaling, -2 * math.log(10.0), -2 * math.log(0.05)), steps, "stop")
    x = run(MILD.denoiser(scaling), name, points, points.alpha[0] * start)
    return float(np.sqrt(np.mean((np.asarray(x) / points.alpha[-1] - end) ** 2)))


@pytest.mark.parametrize(
    "name, rms, order, within",
    [
        ("euler", 1.34e-2, 1.0, 0.03),
        ("heun", 5.83e-4, 2.0, 0.1),
        ("dpm2", None, 2.0, 0.1),
        ("dpmpp_2m", 3.06e-4, 2.0, 0.1),
        ("unipc", 3.10e-5, 3.0, 0.2),
    ],
)
def test_order_and_error_on_the_exact_flow(name, rms, order, within):
    coarse, fine = flow_error(name, 64), flow_error(name, 256)
    assert math.log(coarse / fine, 4) == pytest.approx(order, abs=within)
    if rms is not None:
        assert coarse == pytest.approx(rms, rel=0.02)
    else:  # known at other N
        assert [flow_error(name, 8), fine] == pytest.approx([2.13e-2, 1.83e-5], rel=0.02)


@pytest.mark.parametrize("scaling", [scaling for scaling in SCALINGS if scaling != "ve"])
@pytest.mark.parametrize(
    "name, steps, rms", [("euler", 64, 1.34e-2), ("heun", 64, 5.83e-4), ("dpm2", 8, 2.13e-2), ("dpmpp_2m", 64, 3.06e-4), ("unipc", 64, 3.10e-5)]
)
def test_error_on_the_exact_flow_is_that_of_the_table_under_every_scaling(name, steps, rms, scaling):
    assert flow_error(name, steps, scaling) == pytest.approx(rms, rel=0.02)


# ---- where a sampler starts ----------------------------------------------------------------------------------------


def test_a_sampler_starts_with_the_spread_of_the_noisiest_data():
    """At lambda = -3 data of standard deviation 2 are a part of x: under vp alpha^2 = 1/(1 + e^3), and the spread is 1.069, without them .976."""
    rows = 20_000

    @jax.jit
    def starts(rows):
        return {scaling: solvers.initial(Process("linear", scaling, -3.0, 5.0), rows, (2,), 2.0) for scaling in SCALINGS}

    for scaling, x in starts(keys(rows)).items():
        alpha, sigma = alpha_sigma(np.float64(-3.0), scaling)
        x = np.asarray(x) / math.sqrt(4 * alpha**2 + sigma**2)
        assert x.shape == (rows, 2)
        np.testing.assert_allclose(x.std(axis=0), 1.0, atol=4 / math.sqrt(2 * rows), err_msg=scaling)
        np.testing.assert_allclose([*x.mean(axis=0), np.mean(x[:, 0] * x[:, 1])], 0.0, atol=4 / math.sqrt(rows), err_msg=scaling)


# ---- exact variances -----------------------------------------------------------------------------------------------


def variance(name, points, process, std=0.5, **options):
    """The variance of the samples for data N(0, std^2), without Monte Carlo.

    Every step is affine in its start and its noise, so a sample is a sum of independent sources; column j of `x` is the response to source j,
    which is 1 for that source and 0 for the others.
    """
    draws = 2
    sources = 1 + draws * points.steps
    x = jnp.zeros((1, sources)).at[0, 0].set(prior_std(process, 0.0))
    noise = lambda index, draw: (jnp.arange(sources) == 1 + draws * index + draw).astype(x.dtype)[None]
    call = jax.jit(lambda x: solvers.walk(gaussian(std, process.scaling), solvers.make(name, **options), points, x, noise).x)
    return float(jnp.sum(call(x) ** 2))


@pytest.mark.parametrize(
    "name, want",
    [
        ("euler", {18: 0.17896, 100: 0.23604}),
        ("heun", {18: 0.27839, 100: 0.25072}),
        ("ddpm", {18: 0.13531, 100: 0.22179}),
        ("edm_churn", {18: 0.31610, 100: 0.25595}),
        ("euler_maruyama", {18: 0.48583, 100: 0.27852}),
    ],
)
def test_variance_of_the_samples(name, want):
    """N counts the points of EDM's grid, 80 -> .002 -> 0; data N(0, .25), start N(0, 80^2)."""
    got = {n: variance(name, grid.make("karras", EDM, n - 1), EDM) for n in want}
    assert got == pytest.approx(want, abs=1e-5)


def test_churn_noise_above_one_is_a_permanent_bias():
    points = grid.make("karras", EDM, 999)
    assert variance("edm_churn", points, EDM, s_noise=1.003) == pytest.approx(0.25156, abs=1e-5)


def test_ddim_eta_interpolates_between_euler_and_ancestral():
    """The paper's definition: the standard deviation of the noise is linear in eta, the variance quadratic."""
    points = grid.Grid(np.array([-1.0, 1.0]), "vp", "stop")
    alpha, sigma = alpha_sigma(points.logsnr, "vp")
    posterior = sigma[1] ** 2 / sigma[0] ** 2 * (1 - (alpha[0] / alpha[1]) ** 2)  # DDPM's beta tilde
    one_hot = lambda index, draw: jnp.ones((1, 1))
    for eta in (0.25, 1.0):
        x = solvers.walk(gaussian(0.5, "vp"), solvers.make("ddim", eta=eta), points, jnp.zeros((1, 1)), one_hot).x
        assert float(x[0, 0]) == pytest.approx(eta * math.sqrt(posterior), rel=1e-12)


@pytest.mark.parametrize("name, options, order", [("ddim", {"eta": 0.5}, 1), ("dpmpp_2m_sde", {}, 2), ("dpmpp_2m_sde", {"eta": 0.5}, 2)])
def test_convergence_to_the_variance_of_the_data(name, options, order):
    process = Process("cosine", "vp", -16.0, 6.0)
    alpha, sigma = alpha_sigma(np.float64(6.0), "vp")
    exact = float(alpha**2 * 0.25 + sigma**2)
    coarse, fine = (abs(variance(name, grid.make("uniform_logsnr", process, n, "stop"), process, **options) - exact) for n in (50, 200))
    assert math.log(coarse / fine, 4) == pytest.approx(order, abs=0.2)


@pytest.mark.slow
def test_predictor_corrector_converges_to_the_data():
    """Its step size depends on norms, so not affine: one sample of many dimensions stands for the variance."""
    process = Process("cosine", "vp", -12.0, 9.0)
    for snr in (0.05, 0.16):
        x = solvers.initial(process, keys(1), (20_000,), 0.5)
        x = run(gaussian(0.5, "vp"), "pc", grid.make("uniform_logsnr", process, 200), x, snr=snr)
        assert float(jnp.var(x)) == pytest.approx(0.25, abs=0.012)


def test_corrector_step_size_is_of_each_sample():
    """2 (r |z|/|score|)^2: the response to the corrector's own noise, read off one step."""
    points, r = grid.Grid(np.array([0.0, 1e-9]), "ve", "stop"), 0.16
    x = jnp.array([[1.0, 2.0], [30.0, 40.0]])
    z = jnp.array([[0.6, 0.8], [3.0, 4.0]])
    out = solvers.walk(gaussian(1.0, "ve"), solvers.make("pc", snr=r), points, x, lambda index, draw: z).x
    score = -x / 2  # of N(0, 1 + 1)
    for row in (0, 1):
        size = 2 * (r * np.linalg.norm(z[row]) / np.linalg.norm(score[row])) ** 2
        np.testing.assert_allclose(out[row], x[row] + size * score[row] + math.sqrt(2 * size) * z[row], atol=1e-3)


# ---- invariances ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", solvers.SOLVERS)
def test_one_trajectory_for_every_scaling(name):
    """Same lambda grid, same noise: vp, ve, flow and sub-VP give the same samples."""
    y, z = 30.0 * normal(4, 3), normal(20, 2, 4, 3, seed=1)
    scalings = SCALINGS if name in ("ddim", "dpmpp_2m") else ("vp", "flow")
    ends = []
    for scaling in scalings:
        points = grid.make("uniform_logsnr", Process("linear", scaling, -7.0, 8.0), 20)
        ends.append(walk(bent(scaling), name, points, y * points.alpha[0], z))
    for end in ends[1:]:
        np.testing.assert_allclose(end, ends[0], atol=1e-12)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("name", solvers.SOLVERS)
def test_one_sample_whatever_is_predicted(name, scaling):
    """Rows 0 to 2 see the bare denoiser of the mild mixture; every further three see it by way of one prediction, target() and then to_x0().

    A prediction subtracts noise from noise by a factor of at most c_skip/c_in = e^(6/2) here, so that float64 leaves 14 digits of one evaluation.
    """
    rows, steps, names = 3, 20, list(prediction.PREDICTIONS)
    points = grid.make("uniform_logsnr", Process("linear", scaling, -6.0, 6.0), steps, "stop")
    bare, said_by = MILD.denoiser(scaling), np.repeat(np.arange(1 + len(names)), rows)

    def denoise(x, logsnr):
        x0 = bare(x, logsnr)
        eps = prediction.eps_from_x0(x, x0, logsnr, scaling)
        outputs = [prediction.target(name, x0, eps, logsnr, scaling, 0.5) for name in names]
        back = [prediction.to_x0(name, x, output, logsnr, scaling, 0.5) for name, output in zip(names, outputs, strict=True)]
        return jnp.stack([x0, *back])[said_by, np.arange(len(said_by))]

    x, z = normal(rows, 1) * prior_std(Process("linear", scaling, -6.0, 6.0), 0.5), normal(steps, 2, rows, 1, seed=1)
    tiled = lambda v: np.tile(v, (*[1] * (v.ndim - 2), 1 + len(names), 1))
    ends = np.asarray(walk(denoise, name, points, tiled(np.asarray(x)), tiled(z))).reshape(-1, rows)
    assert np.ptp(ends[0]) > 0.1
    for predicted, end in zip(names, ends[1:], strict=True):
        np.testing.assert_allclose(end, ends[0], atol=1e-11, err_msg=predicted)


def test_euler_is_euler_in_flow_time():
    """x/(alpha + sigma) moves by eps_hat - x0_hat in tau = sigma/(alpha + sigma)."""
    process = Process("flow", "flow", -7.0, 8.0)
    points = grid.make("uniform_t", process, 5, "stop")
    denoise, x = jax.jit(bent("flow")), normal(4, 3)
    solution = jax.jit(lambda x: solvers.sample(denoise, solvers.make("euler"), points, x, keys(4)))(x)
    path = [x]
    for here, there, logsnr in zip(points.sigma[:-1], points.sigma[1:], points.logsnr[:-1], strict=True):
        x0 = denoise(x, jnp.full(4, logsnr))
        x = x + (there - here) * (x - x0) / here
        path.append(x)
    np.testing.assert_allclose(solution.x, x, atol=1e-13)
    np.testing.assert_allclose(solution.path, path, atol=1e-13)


def test_noise_does_not_depend_on_the_batch():
    """XLA may contract a multiplication and an addition in one batch size and not in another, hence not bitwise."""
    process = Process("cosine", "vp", -8.0, 8.0)
    points, rows = grid.make("uniform_t", process, 8), keys(64)

    @jax.jit
    def start_and_end(rows):
        x = solvers.initial(process, rows, (3,), 0.5)
        return x, solvers.sample(gaussian(0.5, "vp"), solvers.make("ddpm"), points, x, rows).x

    whole = start_and_end(rows)
    assert len(np.unique(whole[1])) == 64 * 3
    for batch in (1, 7):
        for part, want in zip(start_and_end(rows[:batch]), whole, strict=True):
            np.testing.assert_allclose(part, want[:batch], rtol=1e-13)


@pytest.mark.parametrize("name", solvers.SOLVERS)
def test_rows_do_not_mix_and_float32_stays(name, float32):
    points = grid.make("uniform_t", Process("cosine", "vp", -12.0, 12.0), 12)
    x, z = (np.asarray(v, np.float32) for v in (normal(5, 2, 3), normal(12, 2, 5, 2, 3, seed=1)))
    whole, part = (walk(gaussian(0.5, "vp"), name, points, x[:rows], z[:, :, :rows]) for rows in (5, 2))
    assert whole.dtype == jnp.float32 and np.all(np.isfinite(whole))
    np.testing.assert_allclose(part, whole[:2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["heun", "unipc"])
def test_float32_is_close_to_float64(name, float32):
    process = Process("cosine", "flow", -12.0, 12.0)
    points = grid.make("uniform_logsnr", process, 50)
    x = np.linspace(-2.0, 2.0, 9)[:, None]
    low = run(bent("flow"), name, points, x)
    with jax.enable_x64(True):
        np.testing.assert_allclose(low, run(bent("flow"), name, points, x), atol=2e-4)


def test_one_compilation_for_any_noise_levels():
    """A grid may be an argument of a compiled sampler: its arrays are traced."""
    process = Process("cosine", "vp", -8.0, 8.0)
    denoise, x, rows = gaussian(0.5, "vp"), jnp.ones((2, 3)), keys(2)
    call = jax.jit(lambda points, x, rows: solvers.sample(denoise, solvers.make("dpmpp_2m"), points, x, rows).x)
    even, karras = (grid.make(name, process, 8) for name in ("uniform_t", "karras"))
    first, second = call(even, x, rows), call(karras, x, rows)
    assert call._cache_size() == 1 and not np.allclose(first, second)
    np.testing.assert_allclose(second, run(denoise, "dpmpp_2m", karras, x, rows), atol=1e-12)


@pytest.mark.parametrize("name", solvers.SOLVERS)
def test_evaluations_are_counted(name):
    """A scan traces its step once, so the calls seen while tracing are those of one step and the end."""
    calls = []

    def denoise(x, logsnr):
        calls.append(1)
        return x

    points = grid.make("uniform_t", Process("cosine", "vp", -8.0, 8.0), 5, "denoise")
    solver = solvers.make(name)
    nfe = []
    jax.eval_shape(lambda x, rows: nfe.append(solvers.sample(denoise, solver, points, x, rows).nfe), jnp.ones((1, 1)), keys(1))
    assert len(calls) == solver.evaluations + 1 and nfe == [5 * solver.evaluations + 1]


def test_unknown_solver():
    with pytest.raises(UsageError, match="dpmpp_2m"):
        solvers.make("dpm++2m")
