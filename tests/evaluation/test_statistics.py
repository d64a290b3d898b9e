"""From sums to a number with its error. Oracles: closed forms, the bootstrap, and populations drawn again and again."""

import math

import numpy as np
import pytest
from scipy import stats

from genjax.evaluation.statistics import PerExample, bits_per_unit, excess, holm, share, two_level, wilson


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


# ---- effects over seeds and items ----------------------------------------------------------------------------------


def crossed(random, seeds, items, of_seed, of_item, of_both):
    """Values [S, n] of equation (1) around 0."""
    return of_seed * random.normal(size=(seeds, 1)) + of_item * random.normal(size=(1, items)) + of_both * random.normal(size=(seeds, items))


@pytest.mark.parametrize(
    "seeds, items, sizes",
    [
        (5, 60, (1.0, 1.0, 0.5)),  # seeds decide: five of them, tails of Student's t
        (5, 60, (0.02, 1.0, 0.5)),  # items decide
        (3, 40, (1.0, 4.0, 0.0)),  # both
        (3, 30, (1.0, 0.1, 0.1)),  # three seeds decide
        (8, 1, (1.0, 0.0, 0.0)),  # one number a seed
    ],
)
def test_the_interval_holds_the_truth_in_95_of_100_experiments(seeds, items, sizes):
    random, held, repeats = np.random.default_rng(0), 0, 500
    for repeat in range(repeats):
        low, high = two_level(crossed(random, seeds, items, *sizes), seed=repeat, draws=1500).interval()
        held += low <= 0.0 <= high
    # Never much below 95 %; the scatter of both alone is counted twice, which can only widen.
    assert 0.95 - 3 * math.sqrt(0.95 * 0.05 / repeats) <= held / repeats <= 0.99


def test_a_percentile_interval_of_five_seeds_would_not_hold_it():
    """Why the ends are Student's: the plain 2.5 and 97.5 percentiles of resampled seeds miss the truth more than one time in ten."""
    random, held = np.random.default_rng(0), 0
    for _ in range(400):
        values = random.normal(size=5)
        low, high = np.quantile(values[random.integers(0, 5, (1000, 5))].mean(1), [0.025, 0.975])
        held += low <= 0.0 <= high
    assert held / 400 < 0.90


def test_with_normal_seeds_the_interval_is_students():
    values = np.random.default_rng(1).normal(size=12)
    low, high = two_level(values[:, None], draws=200_000).interval()
    half = stats.t.ppf(0.975, 11) * values.std(ddof=1) / math.sqrt(12)
    np.testing.assert_allclose([low, high], [values.mean() - half, values.mean() + half], atol=0.01 * half)


def test_the_variance_of_the_draws_is_that_of_both_means():
    values = crossed(np.random.default_rng(2), 6, 200, 0.3, 2.0, 0.5)
    found = two_level(values, draws=100_000)
    expected = values.mean(axis=1).var(ddof=1) / 6 + values.mean(axis=0).var(ddof=1) / 200
    np.testing.assert_allclose(found.stderr**2, expected, rtol=0.02)
    assert (found.value, found.seeds, found.items) == (pytest.approx(values.mean()), 6, 200)


def test_pairing_gains_the_known_factor():
    """Two arms with variance 1 and correlation rho: the variance of the paired difference is 2 (1 - rho), of the unpaired one 2."""
    random, rho, items = np.random.default_rng(3), 0.9, 4000
    shared = math.sqrt(rho) * random.normal(size=(1, items))
    a, b = (shared + math.sqrt(1 - rho) * random.normal(size=(1, items)) for _ in range(2))
    paired = two_level(a - b).stderr ** 2
    unpaired = two_level(a).stderr ** 2 + two_level(b).stderr ** 2
    np.testing.assert_allclose(paired / unpaired, 1 - rho, rtol=0.15)  # of 4,000 items and 10,000 draws


def test_one_seed_gives_the_interval_over_items():
    values = np.random.default_rng(4).normal(2.0, 3.0, (1, 500))
    low, high = two_level(values).interval()
    half = 1.96 * values.std(ddof=1) / math.sqrt(500)
    np.testing.assert_allclose([low, high], [values.mean() - half, values.mean() + half], atol=0.05 * half)


def test_p_values_are_the_interval_inverted():
    found = two_level(np.random.default_rng(5).normal(1.0, 1.0, (6, 30)))
    low, high = found.interval()
    np.testing.assert_allclose([found.p_above(low), found.p_below(high)], 0.025, rtol=1e-6)
    assert found.p_above(found.value) == found.p_below(found.value) == 0.5
    np.testing.assert_allclose([found.p_above(high), found.p_below(low)], 0.975, rtol=1e-6)
    assert found.p_above(found.value - 40 * found.stderr) < 1e-4  # far tails have small p-values, also of few seeds


def test_equal_values_leave_no_doubt():
    found = two_level(np.full((4, 7), 1.5))
    assert found.interval() == (1.5, 1.5)
    assert (found.p_above(1.0), found.p_below(1.0), found.p_above(1.5)) == (0.0, 1.0, 1.0)


def test_the_same_values_give_the_same_interval():
    values = np.random.default_rng(6).normal(size=(3, 20))
    assert two_level(values).interval() == two_level(values).interval()


def test_holm_agrees_with_a_worked_example():
    """p = 0.01, 0.04, 0.03, 0.005 at 5 %: the fourth and the first are rejected, the second and third are not (R's p.adjust gives these numbers)."""
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02], rtol=1e-12)
    assert holm([0.7]) == [0.7] and holm([0.6, 0.9]) == [1.0, 1.0] and holm([]) == []


def test_holm_finds_nothing_in_noise_too_often():
    random = np.random.default_rng(7)
    false = np.mean([min(holm(random.uniform(size=10))) < 0.05 for _ in range(4000)])
    assert false < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 4000)


def test_wilson_agrees_with_the_published_interval():
    """81 of 263, from Newcombe (Statistics in Medicine 17, 1998), table I, method 3."""
    np.testing.assert_allclose(wilson(81, 263), [0.2553, 0.3662], atol=5e-5)
    np.testing.assert_allclose(wilson(0, 20), [0.0, 0.1611], atol=5e-5)


def test_of_nothing_no_share_is_known():
    found = share(np.array([], bool))
    assert math.isnan(found.value) and found[1:] == (0.0, 1.0, 0)


def test_examples_of_uneven_length_average_to_the_ratio_with_its_error():
    units, nats = population(500, np.random.default_rng(8))
    each = PerExample(nats, units, np.zeros(500), {}, "exact", "dim")
    np.testing.assert_allclose(each.bits.mean(), each.total().value, rtol=1e-12)
    np.testing.assert_allclose(each.bits.std(ddof=1) / math.sqrt(500), each.total().stderr, rtol=1e-12)


def test_excess_pairs_examples():
    """How much examples differ does not count: 2 bits and 4 bits above what each is worth, whatever that is."""
    exact = np.array([1.0, 50.0, 900.0, 3.0])
    found = excess(exact + np.array([2.0, 4.0, 2.0, 4.0]) * math.log(2), exact)
    np.testing.assert_allclose(found.value, 3.0, rtol=1e-12)
    np.testing.assert_allclose(found.stderr, 1 / math.sqrt(3), rtol=1e-12)  # standard deviation 2 / sqrt(3) of four, over sqrt(4)


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (10, 10), (3, 10), (90, 100)])
def test_the_interval_of_a_share_is_wilsons(hits, count):
    """Its ends are the probabilities p at which the share is 1.96 standard deviations sqrt(p (1 - p) / n) away."""
    found, z = share(np.arange(count) < hits), stats.norm.ppf(0.975)
    assert (found.value, found.count) == (hits / count, count)
    for end in (found.low, found.high):
        np.testing.assert_allclose((found.value - end) ** 2, z**2 * end * (1 - end) / count, atol=1e-12)
    assert -1e-12 < found.low < found.value + 1e-12 and found.value - 1e-12 < found.high < 1 + 1e-12


def test_excess_of_terms_adds_up_to_that_of_the_whole():
    exact, above = np.array([1.0, 2.0, 5.0]), {"words": np.array([0.5, 0.5, 0.5]), "picture": np.array([1.0, 2.0, 3.0])}
    halves = {"words": 0.25 * exact, "picture": 0.75 * exact}
    terms = {name: halves[name] + above[name] for name in halves}
    bits = PerExample(sum(terms.values()), np.ones(3), np.zeros(3), terms, "exact", "dim", exact, halves).total()
    assert {name: part.value for name, part in bits.excess_terms.items()} == pytest.approx({"words": 0.5 / math.log(2), "picture": 2 / math.log(2)})
    assert bits.excess.value == pytest.approx(2.5 / math.log(2)) and bits.excess_terms["words"].stderr == pytest.approx(0, abs=1e-12)
