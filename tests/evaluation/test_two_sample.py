"""Telling samples from data. Oracles: the same distribution, one with no overlap, and one whose best accuracy is known."""

import numpy as np

from genjax.evaluation import two_sample


def test_the_same_cannot_be_told_apart_and_what_never_overlaps_always_is():
    rng = np.random.default_rng(0)
    same = two_sample.accuracy(rng.normal(size=(400, 2, 3)), rng.normal(size=(500, 2, 3)))
    assert abs(same - 0.5) < 4 * 0.5 / np.sqrt(800)
    assert two_sample.accuracy(rng.normal(size=(50, 2)), rng.normal(size=(50, 2)) + 20) == 1.0


def test_the_accuracy_is_that_of_the_better_guess():
    """A value that is 1 with probability 0.8 in one and 0.2 in the other is guessed right 80 times in 100."""
    rng = np.random.default_rng(1)
    found = two_sample.accuracy(rng.random((1000, 1)) < 0.8, rng.random((1000, 1)) < 0.2)
    assert abs(found - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 2000)
