"""Diversity. Oracles: closed forms, the birthday problem, draws from known probabilities."""

import math

import numpy as np
import pytest

from genjax.evaluation.diversity import cosine_similarity, coverage, duplicates, entropy_bits, kinds_of, kl_bits, vendi


def test_vendi_counts_what_is_effectively_different():
    np.testing.assert_allclose(vendi(np.ones((6, 6))), 1.0, rtol=1e-9)
    np.testing.assert_allclose(vendi(np.eye(6)), 6.0, rtol=1e-12)


def test_vendi_of_groups_is_the_exponential_of_their_entropy():
    groups = np.repeat([0, 1, 2], [1, 2, 5])
    p = np.array([1, 2, 5]) / 8
    np.testing.assert_allclose(vendi((groups[:, None] == groups).astype(float)), np.exp(-np.sum(p * np.log(p))), rtol=1e-9)


def test_vendi_of_a_constant_similarity_has_its_closed_form():
    """K = (1 - c) I + c: one eigenvalue 1 + (n - 1) c, the others 1 - c."""
    n, c = 5, 0.3
    w = np.array([1 + (n - 1) * c] + [1 - c] * (n - 1)) / n
    np.testing.assert_allclose(vendi((1 - c) * np.eye(n) + c), np.exp(-np.sum(w * np.log(w))), rtol=1e-12)


def test_cosine_similarity_knows_direction_and_not_length():
    features = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    found = cosine_similarity(features)
    np.testing.assert_allclose(found[0], [1, 1, 0, math.sqrt(0.5)], atol=1e-12)
    np.testing.assert_allclose(vendi(cosine_similarity(np.eye(4)[[0, 0, 1, 2]])), 2**1.5, rtol=1e-9)  # shares 1/2, 1/4, 1/4


def test_a_birthday_is_shared_as_often_as_is_known():
    """23 people: 253 pairs over 365 days."""
    assert duplicates(np.arange(23), np.full(365, 1 / 365))[1] == pytest.approx(253 / 365)
    assert duplicates(np.array([4, 4, 4, 7, 7, 1]), np.full(10, 0.1))[0] == 3 + 1


def test_independent_draws_have_the_expected_duplicates_and_coverage():
    random, p = np.random.default_rng(0), np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.03, 0.02])
    drawn = [random.choice(7, 12, p=p) for _ in range(4000)]
    for count in (duplicates, coverage):
        found, expected = [count(kinds, p)[0] for kinds in drawn], count(drawn[0], p)[1]
        assert abs(np.mean(found) - expected) < 4 * np.std(found) / math.sqrt(4000)


def test_all_kinds_are_expected_in_the_long_run_and_impossible_ones_never():
    assert coverage(np.zeros(10**6, int), np.array([0.5, 0.5, 0.0]))[1] == pytest.approx(2.0)
    assert coverage(np.zeros(3, int), np.array([1.0])) == (1, 1.0)


def test_equal_examples_are_of_one_kind():
    images = np.array([[[1, 2]], [[3, 4]], [[1, 2]], [[1, 3]]])
    kinds = kinds_of(images)
    assert kinds[0] == kinds[2] and len(set(kinds)) == 3


def test_the_entropy_of_uniform_kinds_is_the_logarithm_of_their_number():
    random = np.random.default_rng(1)
    estimates = [entropy_bits(random.integers(0, 8, 200)) for _ in range(2000)]
    assert np.mean(estimates) == pytest.approx(3.0, abs=2e-3)  # without the correction it would be 0.025 too low
    assert entropy_bits(np.zeros(50, int)) == 0.0


def test_the_divergence_from_the_truth_vanishes_and_that_of_a_mode_does_not():
    p = np.array([0.25, 0.25, 0.5])
    truth = np.random.default_rng(2).choice(3, 200_000, p=p)
    assert kl_bits(truth, p) == pytest.approx(0.0, abs=1e-4)
    assert kl_bits(np.full(200_000, 2), p) == pytest.approx(1.0, abs=1e-3)  # always the kind of probability 1/2
    assert kl_bits(np.array([1]), np.array([1.0, 0.0])) == math.inf
