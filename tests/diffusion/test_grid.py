"""Grids: published constants, exact ends, and what is refused."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import grid, solvers
from genjax.diffusion.process import Process
from genjax.errors import UsageError

from .oracles import gaussian, keys

EDM = Process("karras", "ve", -2 * math.log(80.0), -2 * math.log(0.002))


def test_edm_grid_of_18_points():
    """arXiv:2206.00364 with N = 18; 35 evaluations with Heun."""
    points = grid.make("karras", EDM, 17)
    want = [80, 57.586, 40.7856, 28.3746, 19.3525]
    np.testing.assert_allclose(points.sigma[:5], want, rtol=1e-5)
    np.testing.assert_allclose(points.sigma[-2:], [0.00752802, 0.002], rtol=1e-6)
    x = jnp.ones((1, 1))
    assert solvers.sample(gaussian(0.5, "ve"), solvers.make("heun"), points, x, keys(1)).nfe == 35


@pytest.mark.parametrize("name", grid.GRIDS)
@pytest.mark.parametrize("scaling", ["vp", "flow"])
def test_grids_are_float64_fall_in_noise_and_meet_the_ends(name, scaling, float32):
    process = Process("cosine", scaling, -9.0, 11.0)
    points = grid.make(name, process, 10)
    assert isinstance(points.logsnr, np.ndarray) and points.logsnr.dtype == points.alpha.dtype == np.float64
    assert points.logsnr.shape == (11,) and points.steps == 10
    assert np.all(np.diff(points.logsnr) > 0)
    assert points.logsnr[0] == pytest.approx(-9.0, abs=1e-12)
    last = 11.0 if name != "trailing" else float(process.logsnr(np.float64(1 / 11)))
    assert points.logsnr[-1] == pytest.approx(last, abs=1e-12)
    np.testing.assert_allclose(2 * np.log(points.alpha / points.sigma), points.logsnr, atol=1e-12)


def test_uniform_t_of_the_karras_curve_is_the_karras_grid():
    np.testing.assert_allclose(grid.make("uniform_t", EDM, 17).logsnr, grid.make("karras", EDM, 17).logsnr, atol=1e-12)


def test_reverse_visits_the_same_points():
    points = grid.make("uniform_t", EDM, 5)
    back = grid.reverse(points)
    np.testing.assert_array_equal(back.logsnr[::-1], points.logsnr)
    assert back.final == "stop"


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("karas", EDM, 5), "karras"),
        (("karras", EDM, 0), "at least 1 step"),
        (("karras", EDM, 5, "denoised"), "denoise"),
        (("trailing", EDM, 5, "stop"), "one step short"),
    ],
)
def test_refusals(arguments, says):
    with pytest.raises(UsageError, match=says):
        grid.make(*arguments)
