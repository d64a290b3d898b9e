"""How a token is chosen. Oracles: a brute-force numpy twin that ranks tokens one by one, and binomial bounds."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.decoding.sampling import SamplingRule, guide

V = 12


def kept_by_twin(logits: np.ndarray, temperature: float, top_k: int, top_p: float, min_p: float = 0.0) -> np.ndarray:
    """bool [V] of one row: temperature, then top-k, then top-p, then min-p of what is left. What counts is the tokens that are strictly likelier."""
    scaled = logits.astype(np.float64) / temperature
    kept = np.ones(len(scaled), bool)
    if top_k:
        kept = np.array([np.sum(scaled > value) < top_k for value in scaled])  # fewer than k tokens are likelier
    if top_p < 1:
        weights = np.where(kept, np.exp(scaled - scaled.max()), 0)
        probability = weights / weights.sum()
        likelier = np.array([probability[scaled > value].sum() for value in scaled])
        kept &= likelier < top_p
    if min_p:
        kept &= np.exp(scaled - scaled.max()) >= min_p
    return kept


def draw_logits(rows: int = 200, *, ties: bool) -> np.ndarray:
    logits = np.random.default_rng(0).normal(size=(rows, V)) * 2
    return (np.round(logits) if ties else logits).astype(np.float32)


RULES = [
    (1.0, 0, 1.0),
    (0.5, 0, 1.0),
    (1.0, 1, 1.0),
    (1.0, 4, 1.0),
    (2.0, V, 1.0),
    (1.0, 100, 1.0),
    (1.0, 0, 0.613),
    (0.7, 0, 0.9137),
    (3.0, 5, 0.4721),
    (1.0, 0, 1.0, 0.1371),
    (2.0, 8, 0.9137, 0.3),
]


@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_filter_keeps_what_the_twin_keeps(rule, ties):
    logits = draw_logits(ties=ties)
    filtered = np.asarray(jax.jit(SamplingRule(*rule).filter)(logits))
    kept = np.stack([kept_by_twin(row, *rule) for row in logits])
    np.testing.assert_array_equal(np.isfinite(filtered), kept)
    np.testing.assert_allclose(filtered[np.isfinite(filtered)], (logits / rule[0])[np.isfinite(filtered)], rtol=1e-6)


def test_ties_at_the_edge_are_all_kept():
    four_equal = jnp.zeros((1, 4))
    assert np.isfinite(SamplingRule(top_p=0.1).filter(four_equal)).all()
    assert np.isfinite(SamplingRule(top_k=1).filter(four_equal)).all()


def test_top_p_excludes_a_token_whose_likelier_ones_hold_exactly_p():
    halves = jnp.array([[0.0, 0.0, -jnp.inf, -jnp.inf], [0.0, -200.0, -300.0, -400.0]])  # probabilities 1/2, 1/2, 0, 0 and 1, 0, 0, 0
    np.testing.assert_array_equal(np.isfinite(SamplingRule(top_p=0.5).filter(halves)), [[1, 1, 0, 0], [1, 0, 0, 0]])


@pytest.mark.parametrize("top_p", [1e-9, 1e-3])
def test_at_least_the_likeliest_token_is_kept(top_p):
    logits = draw_logits(ties=False)
    filtered = np.asarray(SamplingRule(top_p=top_p).filter(jnp.asarray(logits)))
    np.testing.assert_array_equal(np.isfinite(filtered), logits == logits.max(-1, keepdims=True))


def test_one_is_off_even_where_a_sum_of_probabilities_rounds():
    logits = np.random.default_rng(1).normal(size=(1, 50_000)).astype(np.float32) * 5
    np.testing.assert_array_equal(SamplingRule(top_p=1.0, top_k=0).filter(jnp.asarray(logits)), logits)


def test_rules_are_applied_to_each_row_by_itself():
    logits = draw_logits(ties=False)
    rule = SamplingRule(0.8, 5, 0.7)
    together = rule.filter(jnp.asarray(logits))
    np.testing.assert_array_equal(together[::-1], rule.filter(jnp.asarray(logits[::-1])))


def draw(rule: SamplingRule, logits: np.ndarray, ids) -> np.ndarray:
    """A token for each row [n, V], with the keys of `ids` [n]."""
    return np.asarray(jax.jit(lambda logits, ids: rule(logits, rng.rows(jax.random.key(3), ids)))(logits, np.asarray(ids)))


def test_temperature_zero_is_the_argmax_whatever_the_key():
    logits = draw_logits(ties=False)
    tokens = draw(SamplingRule(temperature=0.0, top_k=3, top_p=0.5), logits, range(200))
    np.testing.assert_array_equal(tokens, logits.argmax(-1))
    assert tokens.dtype == jnp.int32


@pytest.mark.parametrize("rule", [(1.0, 0, 1.0), (0.5, 0, 1.0), (2.0, 6, 1.0), (1.0, 0, 0.813), (1.5, 8, 0.713), (1.5, 0, 1.0, 0.2)], ids=str)
def test_frequencies_are_the_filtered_probabilities(rule):
    draws, logits = 20_000, draw_logits(1, ties=False)[0]
    kept = kept_by_twin(logits, *rule)
    p = np.where(kept, np.exp(logits.astype(np.float64) / rule[0]), 0)
    p /= p.sum()
    tokens = draw(SamplingRule(*rule), np.broadcast_to(logits, (draws, V)), np.arange(draws))
    frequency = np.bincount(tokens, minlength=V) / draws
    assert (np.abs(frequency - p) <= 5 * np.sqrt(p * (1 - p) / draws) + 1e-12).all()


def test_a_row_is_drawn_with_its_own_key():
    logits, order = draw_logits(ties=False), np.random.default_rng(0).permutation(200)
    np.testing.assert_array_equal(draw(SamplingRule(), logits[order], order), draw(SamplingRule(), logits, range(200))[order])


def test_bfloat16_logits_are_filtered_in_float32():
    logits = draw_logits(ties=False).astype(jnp.bfloat16)
    rule = SamplingRule(0.7, 0, 0.9137)
    np.testing.assert_array_equal(rule.filter(jnp.asarray(logits)), rule.filter(jnp.asarray(logits.astype(np.float32))))


def test_guidance_is_a_line_through_both_models():
    random = np.random.default_rng(2)
    cond, uncond = random.normal(size=(2, 5, V)).astype(np.float32)
    np.testing.assert_array_equal(guide(cond, uncond, 0.0), uncond)
    np.testing.assert_allclose(guide(cond, uncond, 1.0), cond, atol=1e-6)
    for scale in (-1.0, 0.3, 4.0):
        np.testing.assert_allclose(guide(cond, uncond, scale), uncond.astype(np.float64) * (1 - scale) + cond.astype(np.float64) * scale, atol=1e-5)
    np.testing.assert_allclose(guide(cond + 3, uncond - 1, 2.5), guide(cond, uncond, 2.5) + guide(3.0, -1.0, 2.5), atol=1e-5)  # linear


# ---- the noise of a draw -------------------------------------------------------------------------------------------


COUNT, KEPT = 2**22, 200


def smallest(gumbel) -> np.ndarray:
    """The smallest of many exponential variables e^-G, times their number, in float64: what the largest Gumbel values G stand for."""
    largest = jax.jit(lambda key: jax.lax.top_k(gumbel(key), KEPT)[0])(jax.random.key(0))
    return np.exp(-np.asarray(largest, np.float64)) * COUNT


def test_gumbel_noise_of_24_bits_is_cut_off_and_ours_is_not():
    """The k-th smallest of n exponentials, times n, is nearly a Gamma(k) variable. With 24 bits they lie on a lattice of n 2^-23 = 1/2."""
    cut = smallest(lambda key: jax.random.gumbel(key, (COUNT,), jnp.float32, mode="low"))
    np.testing.assert_allclose(cut, np.maximum(np.round(2 * cut) / 2, 0.5), rtol=1e-3)
    ours = smallest(lambda key: rng.gumbel(key[None], (COUNT,))[0])
    assert np.abs(ours - np.round(2 * ours) / 2).mean() > 0.1  # 1/8 in the mean off a lattice of 1/2
    assert len(np.unique(ours)) == KEPT
    for k in (50, 100, KEPT):
        assert abs(ours[k - 1] - k) < 4 * math.sqrt(k)


@pytest.mark.slow
def test_a_token_of_probability_half_beside_millions_of_rare_ones_is_drawn_half_the_time():
    """2^22 tokens share the other half. With noise of 24 bits the first would come up in 62 of 100 draws."""
    logits = jnp.zeros((1, COUNT + 1)).at[0, 0].set(math.log(COUNT))
    draw = jax.jit(lambda key: SamplingRule()(logits, key[None])[0])
    hits = sum(int(draw(key)) == 0 for key in jax.random.split(jax.random.key(1), 400))
    assert abs(hits - 200) < 4 * 10
