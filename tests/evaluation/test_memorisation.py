"""Memorisation. Oracles: brute force, exchangeable data, Gaussian scores with a known power, a model that copies."""

import math

import numpy as np
import pytest
from scipy import stats

from genjax.evaluation.memorisation import attack, near_copies, nearer_to_train, nearest, repeats


def data(count, seed, dims=6):
    return np.random.default_rng(seed).normal(size=(count, dims // 2, 2))


def test_the_nearest_is_the_nearest():
    examples, reference = data(300, 0), data(70, 1)  # more rows than are held at once
    slow = [min(math.dist(a.ravel(), b.ravel()) for b in reference) for a in examples]
    np.testing.assert_allclose(nearest(examples, reference), slow, rtol=1e-7)
    np.testing.assert_allclose(nearest(reference, reference), 0.0, atol=1e-6)


def test_fresh_draws_are_near_copies_no_more_often_than_chance():
    found = near_copies(data(4000, 0), data(500, 1), data(4000, 2), 0.05)
    assert found.chance == pytest.approx(0.05, abs=1e-3)
    # Two rates of 4,000 each, against the same training set.
    assert abs(found.above_chance) < 4 * math.sqrt(2 * 0.05 * 0.95 / 4000)
    assert found.low < found.rate < found.high


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_model_that_copies_is_caught_in_proportion(share):
    train, held_out, samples = data(400, 0), data(400, 1), data(1000, 2)
    copied = int(share * 1000)
    samples[:copied] = train[np.arange(copied) % 400] + 1e-3
    found = near_copies(samples, train, held_out)
    assert found.rate == pytest.approx(share + (1 - share) * 0.05, abs=0.03)


def test_fresh_draws_lie_as_near_to_the_held_out_as_to_the_training_examples():
    train, held_out = data(900, 0), data(300, 1)
    assert nearer_to_train(data(4000, 2), train, held_out) == pytest.approx(0.5, abs=0.06)  # the two sets of 300 differ by chance
    assert nearer_to_train(train, train, held_out) > 0.6  # a third of them are in the subset
    assert nearer_to_train(train[:0:-1], train, train[:, ::-1] + 100) == 1.0


def test_equally_near_counts_half():
    same = data(50, 0)
    assert nearer_to_train(data(20, 1), same, same) == 0.5


def test_the_power_of_an_attack_on_gaussian_scores_is_known():
    """Scores N(d, 1) against N(0, 1): TPR = Phi(d - z_0.99), AUC = Phi(d / sqrt 2)."""
    random, d = np.random.default_rng(0), 1.5
    found = attack(random.normal(d, 1, 40_000), random.normal(0, 1, 200_000))
    assert found.tpr == pytest.approx(stats.norm.cdf(d - stats.norm.ppf(0.99)), abs=0.01)
    assert found.auc == pytest.approx(stats.norm.cdf(d / math.sqrt(2)), abs=0.005)


def test_an_attack_on_nothing_finds_its_false_alarms():
    random = np.random.default_rng(1)
    found = attack(random.normal(size=20_000), random.normal(size=20_000), 0.05)
    assert found.tpr == pytest.approx(0.05, abs=0.006) and found.auc == pytest.approx(0.5, abs=0.01)


def test_equal_scores_are_neither_found_nor_more_than_a_guess():
    found = attack(np.zeros(10), np.zeros(10), 0.01)
    assert found == (0.0, 0.5)


def test_false_alarms_never_exceed_their_rate():
    others = np.random.default_rng(2).normal(size=359)
    for fpr in (0.0, 0.01, 0.1):
        assert attack(others, others, fpr).tpr <= fpr


def test_attacks_cost_the_same():
    assert repeats({"a": 100.0, "b": 24.0, "c": 900.0}) == {"a": 9, "b": 38, "c": 1}
