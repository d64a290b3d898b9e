"""From sums to a number with its error. Oracles: closed forms, the bootstrap, and populations drawn again and again."""

import math

import numpy as np
import pytest

from genjax.evaluation.statistics import bits_per_unit, excess, share


def measure(nats, units=None, draws=None, terms=None):
    nats = np.asarray(nats, np.float64)
    return bits_per_unit(nats, np.ones(len(nats)) if units is None else units, np.zeros(len(nats)) if draws is None else draws, terms or {}, "exact")


def population(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Examples of uneven length, whose nats grow with the length and scatter: units [n] and nats [n]."""
    units = random.integers(5, 60, n)
    return units, units * random.gamma(4.0, 0.3, n)


def test_bits_are_nats_over_the_log_of_two():
    measured = measure([math.log(2), 3 * math.log(2)])
    np.testing.assert_allclose(measured.value, 2.0, rtol=1e-12)
    assert measured.examples == 2
    assert measured.kind == "exact"


def test_equal_units_give_the_mean_and_its_standard_error():
    nats = np.random.default_rng(0).normal(50, 7, 40)
    measured = measure(nats, np.full(40, 16))
    np.testing.assert_allclose(measured.value, nats.mean() / 16 / math.log(2), rtol=1e-12)
    np.testing.assert_allclose(measured.stderr, nats.std(ddof=1) / math.sqrt(40) / 16 / math.log(2), rtol=1e-12)


def test_uneven_units_weigh_by_their_number():
    """Ten units at 1 bit and thirty at 3 bits are 2.5 bits a unit, not the mean 2 of the two examples."""
    measured = measure([10 * math.log(2), 90 * math.log(2)], np.array([10, 30]))
    np.testing.assert_allclose(measured.value, 2.5, rtol=1e-12)


def test_a_constant_rate_has_no_error_however_uneven_the_units():
    units = np.random.default_rng(0).integers(1, 100, 30)
    measured = measure(0.7 * units, units)
    np.testing.assert_allclose(measured.value, 0.7 / math.log(2), rtol=1e-12)
    assert measured.stderr < 1e-15


def test_standard_error_is_the_scatter_of_new_populations():
    random, values, errors = np.random.default_rng(1), [], []
    for _ in range(3000):
        units, nats = population(300, random)
        measured = measure(nats, units)
        values.append(measured.value)
        errors.append(measured.stderr)
    assert abs(np.mean(errors) / np.std(values) - 1) < 4 / math.sqrt(2 * 3000)


def test_standard_error_is_that_of_the_bootstrap():
    random = np.random.default_rng(2)
    units, nats = population(400, random)
    picks = random.integers(0, 400, (4000, 400))
    bootstrap = np.std(nats[picks].sum(1) / units[picks].sum(1) / math.log(2))
    np.testing.assert_allclose(measure(nats, units).stderr, bootstrap, rtol=0.06)


def test_errors_of_the_draws_add_in_quadrature():
    measured = measure([1.0, 2.0, 3.0], np.array([4, 4, 8]), draws=np.array([0.3, 0.0, 0.4]))
    np.testing.assert_allclose(measured.stderr_draws, 0.5 / 16 / math.log(2), rtol=1e-12)


def test_terms_add_up_to_the_value():
    random = np.random.default_rng(3)
    units, terms = random.integers(1, 9, 20), {name: random.uniform(0, 5, 20) for name in ("prior", "diffusion")}
    measured = measure(sum(terms.values()), units, terms=terms)
    np.testing.assert_allclose(sum(measured.terms.values()), measured.value, rtol=1e-12)
    np.testing.assert_allclose(measured.terms["prior"], terms["prior"].sum() / units.sum() / math.log(2), rtol=1e-12)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_a_uniform_model_has_the_log_of_its_levels(levels):
    measured = measure(np.full(5, 12 * math.log(levels)), np.full(5, 12))
    np.testing.assert_allclose(measured.value, math.log2(levels), rtol=1e-12)


def test_excess_pairs_examples():
    """How much examples differ does not count: 2 bits and 4 bits above what each is worth, whatever that is."""
    exact = np.array([1.0, 50.0, 900.0, 3.0])
    found = excess(exact + np.array([2.0, 4.0, 2.0, 4.0]) * math.log(2), exact)
    np.testing.assert_allclose(found.value, 3.0, rtol=1e-12)
    np.testing.assert_allclose(found.stderr, 1 / math.sqrt(3), rtol=1e-12)  # standard deviation 2 / sqrt(3) of four, over sqrt(4)


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (10, 10), (3, 10), (90, 100)])
def test_the_interval_of_a_share_is_wilsons(hits, count):
    """Its ends are the probabilities p at which the share is 1.96 standard deviations sqrt(p (1 - p) / n) away."""
    found = share(np.arange(count) < hits)
    assert (found.value, found.count) == (hits / count, count)
    for end in (found.low, found.high):
        np.testing.assert_allclose((found.value - end) ** 2, 1.959964**2 * end * (1 - end) / count, atol=1e-12)
    assert -1e-12 < found.low < found.value + 1e-12 and found.value - 1e-12 < found.high < 1 + 1e-12
