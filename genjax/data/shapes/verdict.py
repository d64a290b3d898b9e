"""What is wrong with a picture that was asked for: `valid`, `follow`, `strict`, and the name of the first error. Pure jax, for batches."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from genjax.data.shapes import captions, language
from genjax.data.shapes.captions import Asked, Objects
from genjax.data.shapes.language import ANY_COLOUR, ANYTHING
from genjax.data.shapes.oracle import Facts
from genjax.data.shapes.scenes import OBJECT_COLOURS, SHAPES, Tier
from genjax.types import Array

ERRORS = (
    "none",
    "malformed",  # a cell shows nothing that there is
    "background",
    "missing",  # nothing like what was asked for is there
    "extra",  # more of it than was asked for, or things besides the only ones
    "wrong colour",  # the shape is there in another colour
    "wrong shape",  # the colour is there as another shape
    "count",  # fewer than were asked for, or a comparison that does not hold
    "relation",  # what was asked for is there, in another place
    "negation",  # "a circle that is not red", and all circles are
    "pink elephant",  # what was said not to be there is there
)
NONE, MALFORMED, BACKGROUND, MISSING, EXTRA, WRONG_COLOUR, WRONG_SHAPE, COUNT, RELATION, NEGATION, PINK_ELEPHANT = range(len(ERRORS))


class Verdict(NamedTuple):
    """Of B pictures, [B] each.

    Attributes:
      valid: every cell shows something that there is.
      follow: the caption is true of what the oracle reads.
      strict: both.
      error: the number in ERRORS of the first thing that is wrong.
    """

    valid: Array
    follow: Array
    strict: Array
    error: Array


def judge(tier: Tier, asked: Asked, facts: Facts) -> Verdict:
    """The verdict on pictures, one for each caption."""
    asked = Asked(*map(jnp.asarray, asked))
    seen = Objects(facts.shape, facts.colour, facts.background)
    follow, valid = captions.follows(tier, asked, seen), facts.valid
    error = jnp.zeros(follow.shape, jnp.int32)
    for j in reversed(range(asked.said.shape[1])):
        clause = asked.clauses[:, j]
        wrong = asked.said[:, j] & ~captions.holds(tier, clause, seen)
        error = jnp.where(wrong, _error(clause, seen), error)
    error = jnp.where((asked.background >= 0) & (asked.background != seen.background), BACKGROUND, error)
    return Verdict(valid, follow, valid & follow, jnp.where(valid, error, MALFORMED))


def _error(clause: Array, seen: Objects) -> Array:
    """The error [B] of clauses [B, 4] that do not hold."""
    kind, a, b, r = (clause[:, i] for i in range(4))
    count = jnp.sum(captions.matches(seen), axis=1)
    number = lambda phrase: jnp.take_along_axis(count, phrase[:, None], axis=1)[:, 0]

    def absent(phrase: Array) -> Array:
        """The error of a phrase that fits nothing."""
        colour, shape = phrase // (SHAPES + 1), phrase % (SHAPES + 1)
        recoloured = (colour < OBJECT_COLOURS) & (shape < SHAPES) & (number(language.noun(ANY_COLOUR, shape)) > 0)
        reshaped = (colour < OBJECT_COLOURS) & (shape < SHAPES) & (number(language.noun(colour, SHAPES)) > 0)
        return jnp.where(recoloured, WRONG_COLOUR, jnp.where(reshaped, WRONG_SHAPE, MISSING))

    shape_there = number(language.noun(ANY_COLOUR, a % (SHAPES + 1))) > 0
    anything = number(jnp.full_like(a, ANYTHING)) > 0
    of_a, of_b = number(a), number(b)
    counted = jnp.where(of_a == 0, absent(a), jnp.where(of_a > r, EXTRA, COUNT))
    paired = jnp.where(of_a == 0, absent(a), jnp.where(of_b == 0, absent(b), RELATION))
    placed = jnp.where(of_a == 0, absent(a), RELATION)
    elephant = jnp.full_like(a, PINK_ELEPHANT)
    errors = [
        absent(a),
        counted,
        paired,
        placed,
        elephant,
        elephant,
        jnp.where(shape_there, NEGATION, MISSING),
        jnp.where(shape_there, WRONG_COLOUR, MISSING),
        jnp.where(anything, EXTRA, MISSING),
        jnp.full_like(a, COUNT),
    ]
    return jnp.stack(errors)[kind, jnp.arange(len(a))]
