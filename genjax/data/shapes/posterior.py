"""Which scenes a caption leaves possible: p(x | caption) = p(x) p(caption | x) / p(caption), with both factors in closed form.

On S8 the 450 scenes are listed and everything is exact. Elsewhere scenes are drawn from p(x) and weighted by p(caption | x): means are
consistent, and stand with their standard error (that of a ratio of means).

And what one hidden cell shows given all others: with k objects in these, from equation (2) of `scenes`,

    P(object | the others) : P(empty | the others) = C(n, k) : C(n, k + 1),    0 objects more where k = K,            (1)

and each of the 224 objects is as likely.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from genjax.data.shapes import language, scenes
from genjax.data.shapes.captions import Speaker
from genjax.data.shapes.language import Caption
from genjax.data.shapes.scenes import CONTENTS, Scenes, Tier
from genjax.errors import UsageError


def can_list(tier: Tier) -> bool:
    """Whether all scenes of a tier are few enough to be listed."""
    return tier.cells == 1


class Posterior(NamedTuple):
    """Scenes [N] that the caption is possible for.

    Attributes:
      joint: [N], p(x) p(caption | x); of drawn scenes, p(caption | x) over the number of draws.
      exact: whether all scenes there are were listed.
    """

    scenes: Scenes
    joint: np.ndarray
    exact: bool

    @property
    def weights(self) -> np.ndarray:
        """[N], of each scene; they add up to one."""
        return self.joint / self.joint.sum()

    @property
    def caption_bits(self) -> float:
        """-log2 p(caption); of drawn scenes, an estimate."""
        return float(-np.log2(self.joint.sum()))

    def mean(self, values: np.ndarray) -> tuple[float, float]:
        """The mean of a value of each scene [N] given the caption, and its standard error, 0 where it is exact."""
        mean = float(self.weights @ values)
        return mean, 0.0 if self.exact else float(np.sqrt(np.sum((self.weights * (values - mean)) ** 2)))

    def entropy(self) -> float:
        """Bits of a scene given the caption; only of listed scenes."""
        assert self.exact, "the entropy of a posterior needs all scenes"
        return float(-np.sum(self.weights * np.log2(self.weights)))


def given_caption(speaker: Speaker, caption: Caption, draws: int = 20_000, seed: int = 0) -> Posterior:
    """The scenes of the speaker's tier given a caption of his; `draws` scenes are tried where they cannot be listed.

    Raises:
      UsageError: the caption is of no scene, or of none that was drawn.
    """
    tier, exact = speaker.tier, can_list(speaker.tier)
    tried = scenes.enumerate_all(tier) if exact else scenes.sample(tier, draws, seed)
    prior = 2.0 ** -scenes.bits(tier, tried.k) if exact else np.full(draws, 1 / draws)
    joint = prior * 2.0 ** speaker.log2_prob(tried, caption)
    possible = joint > 0
    if not possible.any():
        raise UsageError(f"this caption is of none of the {len(joint):,} scenes of {tier.name} that were tried")
    return Posterior(Scenes(*(part[possible] for part in tried)), joint[possible], exact)


def caption_bits(speaker: Speaker, said: np.ndarray) -> np.ndarray:
    """-log2 p(caption) [N] of captions [N, S], over all scenes of a tier that can be listed."""
    distinct, place = np.unique(said, axis=0, return_inverse=True)
    bits = [given_caption(speaker, language.parse(language.to_text(words))).caption_bits for words in distinct]
    return np.array(bits)[place.reshape(-1)]


def hidden_cell(tier: Tier, drawn: Scenes, cell: int) -> np.ndarray:
    """P(content | background and all other cells) of a cell of scenes, [N, 225]: equation (1)."""
    others = (np.delete(drawn.contents, cell, axis=1) > 0).sum(axis=1)
    ways = np.array([math.comb(tier.cells, k) for k in range(tier.cells + 1)], float)
    odds = np.where(others < tier.max_count, ways[others] / ways[np.minimum(others + 1, tier.cells)], 0.0)
    occupied = odds / (1 + odds)
    return np.concatenate([1 - occupied[:, None], np.repeat(occupied[:, None] / (CONTENTS - 1), CONTENTS - 1, axis=1)], axis=1)


def negated(tier: Tier, share: float, least: int = 0) -> float:
    """How often a scene shows an object of a kind that so many objects are of: the neutral rate of "no such object", 1 - E (1 - share)^k.

    With `least` 1, of scenes that are not empty: of these alone such a thing is ever said.
    """
    return float(1 - np.mean((1 - share) ** np.array(tier.counts[least:])))
