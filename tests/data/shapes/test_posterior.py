"""Scenes given a caption, against captions of scenes."""

import math

import numpy as np
import pytest

from genjax.data.shapes import captions, counter, language, posterior, scenes
from genjax.data.shapes.captions import Speaker
from genjax.data.shapes.scenes import TIERS
from genjax.errors import UsageError

S8, S16 = TIERS["s8"], TIERS["s16"]


def test_on_s8_the_posterior_is_how_often_a_scene_was_described_so():
    rows, text = 40_000, "a red shape."
    found = posterior.given_caption(Speaker(S8), language.parse(text))
    assert found.exact and len(found.weights) == 2 * 32
    assert found.weights.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(found.weights, 1 / 64, atol=1e-12)  # by symmetry
    assert found.entropy() == pytest.approx(6, abs=1e-9)

    tokens = Speaker(S8).draw(scenes.sample(S8, rows, seed=3), counter.fold(counter.start(9), np.arange(rows)))
    said = (tokens == language.to_tokens(text[:-1].split() + ["."])).all(axis=1).mean()
    expected = 2.0**-found.caption_bits
    assert said == pytest.approx(expected, abs=4 * math.sqrt(expected / rows))


def test_a_caption_that_names_everything_leaves_the_offsets():
    found = posterior.given_caption(Speaker(S8), language.parse("exactly one red circle on black"))
    assert found.entropy() == pytest.approx(2, abs=1e-12)


def test_drawn_posteriors_agree_with_a_count_by_hand():
    """S16, "no shapes": the empty scene alone. "only hearts": all objects are, and the mean of what is true of all is one."""
    empty = posterior.given_caption(Speaker(S16), language.parse("no shapes"))
    assert set(empty.scenes.k) == {0} and not empty.exact
    assert 2.0**-empty.caption_bits == pytest.approx(0.2 * 0.5, abs=0.01)
    hearts = posterior.given_caption(Speaker(S16), language.parse("only hearts"))
    seen = captions.objects(hearts.scenes)
    assert hearts.mean(((seen.shape == 5) | (seen.shape == 8)).all(axis=1).astype(float)) == (pytest.approx(1), pytest.approx(0, abs=1e-12))


def test_the_standard_error_of_a_drawn_mean_is_honest():
    means = [posterior.given_caption(Speaker(S16), language.parse("a red shape"), 1000, seed) for seed in range(30)]
    means = np.array([found.mean(found.scenes.k.astype(float)) for found in means])
    assert 0.6 < means[:, 1].mean() / means[:, 0].std() < 1.6


def test_an_impossible_caption_is_refused():
    with pytest.raises(UsageError, match="of none of the 450 scenes"):
        posterior.given_caption(Speaker(S8), language.parse("two hearts"))


def test_a_hidden_cell_is_occupied_by_the_rule_of_succession_where_all_cells_can_be():
    """On S16, where K = n = 4: (k + 1) / (n + 1) of k objects in the others, as for the next of n draws under a uniform prior."""
    tier = scenes.TIERS["s16"]
    contents = np.array([[0, 0, 0, 7], [5, 0, 0, 0], [5, 9, 0, 0], [5, 9, 11, 3]])
    found = posterior.hidden_cell(tier, scenes.Scenes(np.zeros(4, int), contents), 3)
    np.testing.assert_allclose(1 - found[:, 0], [1 / 5, 2 / 5, 3 / 5, 4 / 5], rtol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("name", ["s8", "s16", pytest.param("s24", marks=pytest.mark.slow)])
def test_the_posterior_of_a_hidden_cell_is_that_of_the_ideal_model(name):
    """By the gradient of the evidence of all codes but those of the cell (`bayes`), which sums over all scenes."""
    import jax

    from genjax.data.shapes import bayes

    tier = scenes.TIERS[name]
    drawn, cell = scenes.sample(tier, 40, seed=3), tier.cells - 1
    known = np.ones((40, tier.patches, tier.patches), bool)
    known[:, -4:, -4:] = False
    with jax.enable_x64(True):
        weights = np.asarray(bayes.posterior(tier, bayes.code_phi(tier, scenes.codes(tier, drawn).astype(np.int32), known))).sum(axis=1)[:, cell]
    if name == "s8":  # the background is hidden as well, and tells nothing
        assert weights.shape == (40, scenes.CONTENTS)
    np.testing.assert_allclose(posterior.hidden_cell(tier, drawn, cell), weights, rtol=1e-9, atol=1e-12)


def test_neutral_rates_of_negation_are_those_of_the_design():
    table = {"s16": (0.2207, 0.2477, 0.0351), "s24": (0.3059, 0.3399, 0.0520), "s32": (0.3784, 0.4165, 0.0685)}
    for name, rates in table.items():
        found = [posterior.negated(scenes.TIERS[name], share) for share in (1 / 8, 1 / 7, 1 / 56)]
        np.testing.assert_allclose(found, rates, atol=5e-5)


def test_on_s8_who_only_hears_that_something_is_said_shows_what_an_object_is():
    """No caption but "no shapes" is of an empty scene, and then there is one object, of any kind alike."""
    found = posterior.given_caption(Speaker(S8), language.parse("no circle"))
    assert set(found.scenes.k) == {1}
    assert [posterior.negated(S8, share, least=1) for share in (1 / 8, 1 / 7)] == pytest.approx([1 / 8, 1 / 7])
