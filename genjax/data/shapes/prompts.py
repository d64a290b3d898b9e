"""shapes as something to ask for: text to captions, and the oracle's verdict on what was drawn."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np

from genjax.data.base import Verdicts
from genjax.data.shapes import captions, language, oracle, scenes, verdict
from genjax.data.shapes.scenes import Scenes, Tier

SEVERAL, EMPTY = "several statements", "no shapes"
CATEGORIES = dict(
    zip(
        language.TYPES,
        ("existence", "number", "relation", "place", "negation", "negation", "negated attribute", "quantifier", "quantifier", "comparison"),
        strict=True,
    )
)


def category(text: str) -> str:
    """What kind of statement a caption makes."""
    clauses = language.parse(text).clauses
    if clauses == ((language.NG, language.ANYTHING, language.NO_SHAPES, 0),):  # asks for one scene, where a negation leaves nearly all
        return EMPTY
    return SEVERAL if len(clauses) > 1 else CATEGORIES[language.TYPES[clauses[0][0]]]


@dataclasses.dataclass(frozen=True)
class SceneData:
    """What data show: pictures [n, H, W, 3], or where `coded` codes [n, h, w]."""

    tier: Tier
    coded: bool

    def pictures(self, data: np.ndarray) -> np.ndarray:
        return scenes.PALETTE[scenes.decode(data)] if self.coded else np.asarray(data, np.uint8)

    def facts(self, data: np.ndarray) -> oracle.Facts:
        """What data show."""
        numbers = jnp.asarray(scenes.decode(data), jnp.int32) if self.coded else oracle.nearest(jnp.asarray(data))
        return oracle.read_numbers(self.tier, numbers)

    def scenes(self, data: np.ndarray) -> Scenes:
        """The scenes that data show; a content is -1 where a cell shows nothing that there is, or an object where none can be."""
        facts = self.facts(data)
        shape, colour, place, accepted = (np.asarray(part) for part in (facts.shape, facts.colour, facts.offset, facts.accepted))
        row, column = place // 4 - 1, place % 4 - 1
        inside = (shape == scenes.SHAPES) | ((row >= 0) & (row < 2) & (column >= 0) & (column < 2))
        contents = np.where(shape < scenes.SHAPES, scenes.content(shape, colour, 2 * row + column), 0)
        return Scenes(np.asarray(facts.background), np.where(accepted & inside, contents, -1))

    def cell(self, number: int) -> np.ndarray:
        """bool of the shape of one example of the data (a channel for all), true in one cell."""
        size = scenes.CELL // scenes.PATCH if self.coded else scenes.CELL
        row, column = divmod(number, self.tier.side)
        found = np.zeros((self.tier.side * size,) * 2, bool)
        found[row * size :][:size, column * size :][:, :size] = True
        return found if self.coded else found[..., None]


@dataclasses.dataclass(frozen=True)
class ScenePrompts(SceneData):
    """See `data.base.Prompts`: what is asked for is a caption."""

    def encode(self, text: str) -> np.ndarray:
        return language.to_tokens(language.caption_words(language.parse(text)))

    def decode(self, caption: np.ndarray) -> str:
        return language.to_text(caption)

    def category(self, caption: np.ndarray) -> str:
        return category(self.decode(caption))

    def judge(self, asked: np.ndarray, data: np.ndarray) -> Verdicts:
        statements = captions.ask([language.parse(self.decode(caption)) for caption in asked])
        found = verdict.judge(self.tier, statements, self.facts(data))
        return Verdicts(np.asarray(found.valid), np.asarray(found.follow), [verdict.ERRORS[error] for error in np.asarray(found.error)])
