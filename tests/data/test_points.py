"""Points of a known distribution. Oracles: the integral of the density, counts, and the areas of the surfaces."""

import math

import numpy as np
import pytest

from genjax.data import points
from genjax.data.points import DISTRIBUTIONS, LEVELS, Distribution
from genjax.data.sources import open_source
from genjax.errors import UsageError

FLAT = ("mixture", "moons", "spirals")


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_probabilities_sum_to_one_and_nothing_lies_outside(name):
    distribution = DISTRIBUTIONS[name]()
    assert distribution.probabilities.shape == (LEVELS,) * distribution.centres.shape[1]
    np.testing.assert_allclose(distribution.probabilities.sum(), 1, rtol=1e-12)
    assert abs(distribution.weights.sum() - 1) < 1e-12
    assert np.abs(distribution.centres).max() + 2 * distribution.std < 1


@pytest.mark.parametrize("axes", [2, 3])
def test_the_probability_of_a_cell_is_the_integral_of_the_density_over_it(axes):
    random = np.random.default_rng(0)
    distribution = Distribution(random.uniform(-0.5, 0.5, (3, axes)), np.array([0.2, 0.3, 0.5]), 0.1)
    nodes, node_weights = np.polynomial.legendre.leggauss(8)
    half = 1 / (LEVELS - 1)
    for cell in random.integers(20, 44, (5, axes)):
        at = np.stack(np.meshgrid(*[points.unit(k) + half * nodes for k in cell], indexing="ij"), axis=-1)
        weight = np.prod(np.stack(np.meshgrid(*[half * node_weights] * axes, indexing="ij")), axis=0)
        squared = np.sum((at[..., None, :] - distribution.centres) ** 2, axis=-1)
        density = np.exp(-squared / (2 * 0.1**2)) @ distribution.weights / (2 * math.pi * 0.1**2) ** (axes / 2)
        np.testing.assert_allclose(distribution.probabilities[tuple(cell)], np.sum(weight * density), rtol=1e-9)


def test_one_wide_normal_has_the_entropy_of_its_density_less_that_of_a_cell():
    """H = log(2 pi e (s^2 + D^2 / 12)) - 2 log D in the plane, with Sheppard's correction of the variance, where the edges are far away."""
    distribution, width = Distribution(np.zeros((1, 2)), np.ones(1), 0.15), 2 / (LEVELS - 1)
    np.testing.assert_allclose(distribution.entropy, math.log(2 * math.pi * math.e * (0.15**2 + width**2 / 12)) - 2 * math.log(width), rtol=1e-6)


@pytest.mark.parametrize("name", FLAT)
def test_rows_are_drawn_from_the_distribution_whose_probability_they_are_told(name):
    """The mean of their -log p is the entropy, within its error, and cells that are counted are as frequent as they should be."""
    source, distribution = open_source(f"points:{name}"), DISTRIBUTIONS[name]()
    rows = source.splits["train"].rows(np.arange(source.spec.train_size))
    nats = source.exact_nats(rows)
    assert abs(nats.mean() - distribution.entropy) < 4 * nats.std() / len(nats) ** 0.5
    drawn = rows["array"][:, 0]
    counts = np.zeros((LEVELS, LEVELS))
    np.add.at(counts, (drawn[:, 0], drawn[:, 1]), 1)
    expected = len(drawn) * distribution.probabilities
    often = expected > 20
    chi = np.sum((counts - expected)[often] ** 2 / expected[often])
    assert abs(chi - often.sum()) < 5 * math.sqrt(2 * often.sum())


def test_the_probability_of_a_row_is_the_product_of_its_points():
    source, one = open_source("points:moons/n=4"), DISTRIBUTIONS["moons"]()
    rows = source.splits["eval"].rows(np.arange(50))
    assert rows["array"].shape == (50, 4, 2) and rows["array"].dtype == np.uint8
    expected = [-sum(math.log(one.probabilities[tuple(point)]) for point in row) for row in rows["array"]]
    np.testing.assert_allclose(source.exact_nats(rows), expected, rtol=1e-12)


def test_surfaces_are_covered_evenly():
    """A sphere's height is uniform (Archimedes); of a torus, the outer half has the share 1/2 + r / (pi R) of the area."""
    sphere = DISTRIBUTIONS["sphere"]().centres
    np.testing.assert_allclose(np.linalg.norm(sphere, axis=1), 0.8, rtol=1e-12)
    np.testing.assert_allclose(np.quantile(sphere[:, 2], [0.1, 0.5, 0.9]), [-0.64, 0, 0.64], atol=1e-3)
    torus = DISTRIBUTIONS["torus"]().centres
    across = np.linalg.norm(torus[:, :2], axis=1)
    np.testing.assert_allclose((across - 0.6) ** 2 + torus[:, 2] ** 2, 0.25**2, rtol=1e-6)
    np.testing.assert_allclose(np.mean(across > 0.6), 0.5 + 0.25 / (math.pi * 0.6), atol=2e-3)


def test_figures_know_true_points_from_others():
    source = open_source("points:torus/n=64")
    held_out = source.splits["eval"].rows(np.arange(64))["array"]
    told, distribution = source.figures(held_out), DISTRIBUTIONS["torus"]()
    assert abs(told["bits a point"] - distribution.entropy / math.log(2)) < 0.1
    noise = np.random.default_rng(0).integers(0, LEVELS, held_out.shape).astype(np.uint8)
    assert source.figures(noise)["chamfer"] > 3 * told["chamfer"]
    half = held_out[held_out[..., 0] < LEVELS // 2].reshape(1, -1, 3)  # each lies well, and half of the surface is not there
    assert source.figures(half)["bits a point"] < told["bits a point"] + 0.1
    assert source.figures(half)["chamfer"] > 3 * told["chamfer"]


def test_chamfer_is_its_loops():
    distribution = Distribution(np.array([[0.0, 0.0], [0.5, 0.5]]), np.array([0.25, 0.75]), 0.1)
    data = np.array([[[10, 20]], [[40, 50]], [[5, 60]]], np.uint8)
    places = points.unit(data[:, 0])
    apart = np.linalg.norm(places[:, None] - distribution.centres[None], axis=-1)
    expected = (apart.min(axis=1).mean() + distribution.weights @ apart.min(axis=0)) / 2
    np.testing.assert_allclose(distribution.figures(data)["chamfer"], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("points:moon", "did you mean 'moons'"), ("points:moons/m=3", "'m' is no option"), ("points:moons/n=0", "n is a whole number of at least 1")],
)
def test_wrong_names(name, sentence):
    with pytest.raises(UsageError, match=sentence):
        open_source(name)
