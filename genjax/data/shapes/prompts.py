"""shapes as something to ask for: text to captions, and the oracle's verdict on what was drawn."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np

from genjax.data.base import Verdicts
from genjax.data.shapes import captions, language, oracle, scenes, verdict
from genjax.data.shapes.scenes import Tier

SEVERAL, EMPTY = "several statements", "no shapes"
CATEGORIES = dict(
    zip(
        language.TYPES,
        ("existence", "number", "relation", "place", "negation", "negation", "negated attribute", "quantifier", "quantifier", "comparison"),
        strict=True,
    )
)


@dataclasses.dataclass(frozen=True)
class ScenePrompts:
    """See `data.base.Prompts`; data are pictures [n, H, W, 3], or where `coded` codes [n, h, w]."""

    tier: Tier
    coded: bool

    def encode(self, text: str) -> np.ndarray:
        return language.to_tokens(language.caption_words(language.parse(text)))

    def decode(self, caption: np.ndarray) -> str:
        return language.to_text(caption)

    def category(self, caption: np.ndarray) -> str:
        clauses = language.parse(self.decode(caption)).clauses
        if clauses == ((language.NG, language.ANYTHING, language.NO_SHAPES, 0),):  # asks for one scene, where a negation leaves nearly all
            return EMPTY
        return SEVERAL if len(clauses) > 1 else CATEGORIES[language.TYPES[clauses[0][0]]]

    def judge(self, asked: np.ndarray, data: np.ndarray) -> Verdicts:
        statements = captions.ask([language.parse(self.decode(caption)) for caption in asked])
        numbers = jnp.asarray(scenes.decode(data), jnp.int32) if self.coded else oracle.nearest(jnp.asarray(data))
        found = verdict.judge(self.tier, statements, oracle.read_numbers(self.tier, numbers))
        return Verdicts(np.asarray(found.valid), np.asarray(found.follow), [verdict.ERRORS[error] for error in np.asarray(found.error)])

    def pictures(self, data: np.ndarray) -> np.ndarray:
        return scenes.PALETTE[scenes.decode(data)] if self.coded else np.asarray(data, np.uint8)
