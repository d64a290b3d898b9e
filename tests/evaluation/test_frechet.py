"""The Fréchet distance against its closed forms."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from genjax.evaluation.frechet import Moments, distance, moments

RANDOM = np.random.default_rng(0)


def spd(size, rank=None):
    factor = RANDOM.normal(size=(size, rank or size))
    return factor @ factor.T / size


def test_one_dimension_is_the_distance_of_means_and_of_standard_deviations():
    a, b = Moments(np.array([1.0]), np.array([[4.0]]), 1), Moments(np.array([-2.0]), np.array([[9.0]]), 1)
    assert distance(a, b) == pytest.approx(3.0**2 + (2 - 3) ** 2, abs=1e-12)


def test_covariances_that_commute_add_up_axis_by_axis():
    rotation = np.linalg.qr(RANDOM.normal(size=(5, 5)))[0]
    first, second = RANDOM.uniform(0.1, 2, 5), RANDOM.uniform(0.1, 2, 5)
    a, b = (Moments(np.zeros(5), rotation @ np.diag(values) @ rotation.T, 1) for values in (first, second))
    assert distance(a, b) == pytest.approx(np.sum((np.sqrt(first) - np.sqrt(second)) ** 2), abs=1e-12)


def test_equals_the_definition_with_a_matrix_root_and_is_symmetric():
    a, b = Moments(RANDOM.normal(size=6), spd(6), 1), Moments(RANDOM.normal(size=6), spd(6), 1)
    direct = np.sum((a.mean - b.mean) ** 2) + np.trace(a.covariance + b.covariance - 2 * sqrtm(a.covariance @ b.covariance).real)
    assert distance(a, b) == pytest.approx(direct, rel=1e-9)
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-9)


def test_zero_for_equal_moments_also_of_low_rank():
    a = Moments(RANDOM.normal(size=8), spd(8, rank=3), 1)
    assert distance(a, a) == pytest.approx(0.0, abs=1e-6)  # roots of eigenvalues that are zero up to 1e-16


def test_moments_are_numpys_and_the_estimate_for_equal_distributions_falls_with_samples():
    features = RANDOM.normal(size=(4000, 4))
    m = moments(features)
    np.testing.assert_allclose(m.mean, features.mean(0), atol=1e-12)
    np.testing.assert_allclose(m.covariance, np.cov(features.T), atol=1e-12)
    few, many = (distance(moments(RANDOM.normal(size=(n, 4))), m) for n in (40, 4000))
    assert 0 <= many < few
