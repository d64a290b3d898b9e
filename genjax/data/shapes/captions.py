"""What captions mean, how one is drawn, and how probable it is.

A clause is a statement about the objects of a scene; `holds` decides it, for scenes as they were drawn and for pictures as the oracle reads
them. A caption of a scene x is drawn in this way:

    m clauses with probability {1: .5, 2: .35, 3: .15}; each clause, independently: its type in proportion to the weights of the types that
    have a true statement about x, then one of the N(type, x) true statements of that type, each as likely; each separator one of three;
    the background is named half of the time                                                                     (1)

    p(caption | x) = P(m) prod_j P(type_j | x, m) / N(type_j, x) * 3^(1 - m) / 2,                                (2)

because no caption can be drawn in two ways. An empty scene is "no shapes." Types whose longest clause would not fit m times into 24 tokens are
left out at that m: relations, at three clauses. `p_neg` is the total weight of the three negative types; the others share the rest equally.

Some statements can be held out, `shapes:s24/neg`: train never makes them though it knows all their words, eval makes one in every caption.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from genjax.data.shapes import counter, language, scenes
from genjax.data.shapes.language import ANYTHING, CM, CT, EX, LC, LENGTH, NA, NC, NEGATIVE, NG, NOUNS, ON, PAD, RL, TYPES, UN, Caption
from genjax.data.shapes.scenes import OBJECT_COLOURS, SHAPES, Scenes, Tier

CLAUSES = {1: 0.5, 2: 0.35, 3: 0.15}
# Types that have a true statement as soon as there are so many objects.
_ALWAYS = {EX: 1, CT: 1, RL: 2, LC: 1, NG: 1, NA: 1, CM: 1}


# ---- meaning -------------------------------------------------------------------------------------------------------


class Objects(NamedTuple):
    """shape and colour [B, n] of the cells' objects, one past the last where a cell is empty; background [B]. Numpy or jax."""

    shape: Any
    colour: Any
    background: Any


def objects(drawn: Scenes) -> Objects:
    """The objects of scenes as they were drawn."""
    return Objects(scenes.SHAPE_OF[drawn.contents], scenes.COLOUR_OF[drawn.contents], drawn.background)


# bool [72, 9, 8]: whether a noun phrase is said of a shape and a colour; of an empty cell nothing is said.
_SAID_OF = np.zeros((NOUNS, SHAPES + 1, OBJECT_COLOURS + 1), bool)
for _colour in range(OBJECT_COLOURS + 1):
    for _shape in range(SHAPES + 1):
        _colours = slice(OBJECT_COLOURS) if _colour == OBJECT_COLOURS else _colour
        _shapes = slice(SHAPES) if _shape == SHAPES else _shape
        _SAID_OF[language.noun(_colour, _shape), _shapes, _colours] = True


def matches(seen: Objects) -> Any:
    """bool [B, n, 72]: which noun phrases fit the object of a cell."""
    table = np.moveaxis(_SAID_OF, 0, -1)
    return (table if isinstance(seen.shape, np.ndarray) else jnp.asarray(table))[seen.shape, seen.colour]


@functools.cache
def related(tier: Tier) -> np.ndarray:
    """bool [4, n, n]: whether cell i is left of, right of, above, below cell j."""
    row, column = np.divmod(np.arange(tier.cells), tier.side)
    left, above = column[:, None] < column, row[:, None] < row
    return np.array([left, left.T, above, above.T])


@functools.cache
def placed(tier: Tier) -> np.ndarray:
    """bool [6, n]: the cells of top, bottom, left, right, middle (rows), center (columns); what lies between the edges is middle."""
    row, column = np.divmod(np.arange(tier.cells), tier.side)
    last = tier.side - 1
    between = lambda x: (x > 0) & (x < last)
    return (tier.side > 1) & np.array([row == 0, row == last, column == 0, column == last, between(row), between(column)])


def holds(tier: Tier, clause: Any, seen: Objects) -> Any:
    """bool [B]: whether the clauses [B, 4] are true of the pictures; works in numpy and in jax."""
    xp = np if isinstance(seen.shape, np.ndarray) else jnp
    fits = matches(seen)
    kind, a, b, r = (clause[:, i] for i in range(4))
    rows, count = xp.arange(len(a)), fits.sum(axis=1)
    number = lambda phrase: count[rows, phrase]
    same_shape = xp.asarray(np.arange(NOUNS) % (SHAPES + 1) + OBJECT_COLOURS * (SHAPES + 1))[a]
    of_a, of_b = (xp.take_along_axis(fits, phrase[:, None, None], axis=2)[..., 0] for phrase in (a, b))
    pairs = of_a[:, :, None] & of_b[:, None, :] & xp.asarray(related(tier))[r % 4]
    answers = xp.stack(
        [
            number(a) > 0,
            number(a) == r,
            pairs.any(axis=(1, 2)),
            (of_a & xp.asarray(placed(tier))[r % 6]).any(axis=1),
            number(a) == 0,
            number(a) == 0,
            number(same_shape) > number(a),
            (number(a) > 0) & (number(same_shape) == number(a)),
            (number(a) > 0) & (number(a) == number(xp.full_like(a, ANYTHING))),
            number(a) > number(b),
        ]
    )
    return answers[kind, rows]


class Asked(NamedTuple):
    """Captions as arrays: clauses [B, M, 4], which of them are said bool [B, M], and the background that is named [B], -1 for none."""

    clauses: Any
    said: Any
    background: Any


def ask(captions: list[Caption]) -> Asked:
    """Captions as arrays, each filled up with copies of its first clause."""
    most = max(len(caption.clauses) for caption in captions)
    clauses = [(*caption.clauses, *[caption.clauses[0]] * (most - len(caption.clauses))) for caption in captions]
    said = [[j < len(caption.clauses) for j in range(most)] for caption in captions]
    return Asked(np.array(clauses), np.array(said), np.array([-1 if c.background is None else c.background for c in captions]))


def follows(tier: Tier, asked: Asked, seen: Objects) -> Any:
    """bool [B]: whether all that each caption says is true of its picture; works in numpy and in jax."""
    true = (asked.background < 0) | (asked.background == seen.background)
    for j in range(asked.said.shape[1]):
        true = true & (holds(tier, asked.clauses[:, j], seen) | ~asked.said[:, j])
    return true


def true_clauses(tier: Tier, kind: int, seen: Objects) -> np.ndarray:
    """bool [B, I]: which of `language.clauses(kind)` are true of the scenes."""
    fits = matches(seen)
    count = fits.sum(axis=1, dtype=np.int8)
    _, a, b, r = language.clauses(kind).T
    if kind == RL:
        # One product over cells for every relation: pairs of phrases that fit a related pair of cells.
        left, right = fits.astype(np.float32), np.einsum("rij,bjv->briv", related(tier).astype(np.float32), fits.astype(np.float32))
        return (np.swapaxes(left, 1, 2)[:, None] @ right > 0).reshape(len(fits), len(a))
    if kind == LC:
        return (np.swapaxes(fits, 1, 2).astype(np.float32) @ placed(tier).T.astype(np.float32) > 0).reshape(len(fits), len(a))
    number = count[:, a]
    shape_only = count[:, a % (SHAPES + 1) + OBJECT_COLOURS * (SHAPES + 1)]
    answers: dict[int, Callable[[], np.ndarray]] = {
        EX: lambda: number > 0,
        CT: lambda: number == r,
        NG: lambda: number == 0,
        NC: lambda: number == 0,
        NA: lambda: shape_only > number,
        UN: lambda: (number > 0) & (shape_only == number),
        ON: lambda: (number > 0) & (number == count[:, [ANYTHING]]),
        CM: lambda: number > count[:, b],
    }
    return answers[kind]()


# ---- held-out statements -------------------------------------------------------------------------------------------


def _shape_is(phrase: np.ndarray, *names: str) -> np.ndarray:
    return np.isin(phrase % (SHAPES + 1), [scenes.SHAPE_NAMES.index(name) for name in names])


def _colour_is(phrase: np.ndarray, *names: str) -> np.ndarray:
    return np.isin(phrase // (SHAPES + 1), [scenes.COLOUR_NAMES.index(name) for name in names])


def _held_out_relation(kind, a, b, r):
    first, second = a % (SHAPES + 1), b % (SHAPES + 1)
    return (kind == RL) & (first < SHAPES) & (second < SHAPES) & ((first + 3 * second + 5 * r) % 8 == 0)


def _held_out_negation(kind, a, b, r):
    plain, without = (kind == NG) & (b == 0), (kind == NG) & (b == language.WITHOUT)
    return (plain & (_shape_is(a, "triangle") | _colour_is(a, "cyan"))) | (without & _shape_is(a, "heart")) | ((kind == NC) & _colour_is(a, "cyan"))


def _held_out_scope(kind, a, b, r):
    return ((kind == UN) | (kind == ON)) & _colour_is(a, "pink")


# Name -> (arrays of type, a, b, r) -> bool: `rel`, an eighth of relation and ordered shapes; `neg`, "no triangle", "no cyan shape",
# "nothing cyan", "without hearts"; `scope`, "all ... are pink" and "only pink shapes".
HELD_OUT: dict[str, Callable[..., np.ndarray]] = {
    "rel": _held_out_relation,
    "neg": _held_out_negation,
    "scope": _held_out_scope,
}


@functools.cache
def held_out(name: str, kind: int) -> np.ndarray:
    """bool [I]: which of `language.clauses(kind)` are held out."""
    every = language.clauses(kind)
    return HELD_OUT[name](*every.T) if name else np.zeros(len(every), bool)


# ---- drawing -------------------------------------------------------------------------------------------------------


def fits_in(kind: int, clauses: int) -> bool:
    """Whether `clauses` of the longest clauses of a type fit a caption, with separators, background and full stop."""
    return clauses * language.longest(kind) + clauses - 1 + 3 <= LENGTH


@dataclasses.dataclass(frozen=True)
class Speaker:
    """How captions are drawn: equation (1).

    Attributes:
      tier: of the scenes.
      p_neg: total weight of the negative types NG, NC, NA.
      without: the name in HELD_OUT of statements that are never made, or "".
      number: how many clauses every caption has; None draws it.
    """

    tier: Tier
    p_neg: float = 0.1
    without: str = ""
    number: int | None = None

    @property
    def longest(self) -> int:
        """Words of the longest caption: clauses, separators, background and full stop."""
        clause = max(language.longest(kind) for kind in range(len(TYPES)))
        return LENGTH if self.number is None else min(LENGTH, self.number * clause + self.number - 1 + 3)

    def allowed(self, kind: int, seen: Objects) -> np.ndarray:
        """bool [B, I]: the statements of a type that may be made of the scenes."""
        return true_clauses(self.tier, kind, seen) & ~held_out(self.without, kind)

    def type_probabilities(self, seen: Objects) -> np.ndarray:
        """P(type | x, m) [4, B, 10], its first axis m - 1; zeros for empty scenes."""
        some = np.stack([self._has(kind, seen) for kind in range(len(TYPES))], axis=-1)
        weights = np.array([self.p_neg / 3 if kind in NEGATIVE else (1 - self.p_neg) / 7 for kind in range(len(TYPES))])
        room = np.array([[fits_in(kind, m) for kind in range(len(TYPES))] for m in range(1, 5)])
        weights = weights * some * room[:, None]
        return weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-300)

    def draw(self, drawn: Scenes, state: np.ndarray, must: str = "") -> np.ndarray:
        """Tokens int32 [B, LENGTH] of one caption for each scene, from its state uint64 [B] of `counter`.

        With `must`, a name in HELD_OUT, the first clause is one of those statements, each true one as likely; one must be true.
        """
        seen, rows, most = objects(drawn), len(state), self.number or max(CLAUSES)
        words = counter.words(state, 2 + 3 * most)
        number = 1 + np.searchsorted(np.cumsum(list(CLAUSES.values()))[:-1], counter.uniform(words[:, 0]), side="right")
        number = np.where(drawn.k == 0, 1, self.number or number)
        chance = np.cumsum(self.type_probabilities(seen)[number - 1, np.arange(rows)], axis=-1)
        pieces = np.full((rows, most, 9), PAD, np.int32)  # a separator and a clause, `most` times
        separators = np.array([language.ID_OF[word] for word in language.SEPARATORS])
        kinds = np.full((rows, most), -1)
        for j in range(most):
            of_type, separator = counter.uniform(words[:, 2 + 3 * j]), counter.below(words[:, 4 + 3 * j], len(separators))
            kinds[:, j] = np.minimum((of_type[:, None] >= chance).sum(axis=1), len(TYPES) - 1)
            kinds[(j >= number) | (drawn.k == 0), j] = -1
            pieces[:, j, 0] = np.where((kinds[:, j] >= 0) & (j > 0), separators[separator], PAD)
        if must:
            pieces[:, 0, 1:], kinds[:, 0] = self._held_out_clause(must, seen, words[:, 3]), -1
        for kind in range(len(TYPES)):
            row, j = np.nonzero(kinds == kind)
            choice = self._choose(kind, Objects(*(part[row] for part in seen)), words[row, 3 + 3 * j])
            pieces[row, j, 1:] = language.clause_tokens(kind)[choice]
        nothing = [language.ID_OF["no"], language.ID_OF["shapes"]]
        pieces[drawn.k == 0, 0, 1:3] = nothing
        background = np.array([language.ID_OF[name] for name in scenes.BACKGROUND_NAMES])[drawn.background]
        end = np.stack([np.full(rows, language.ID_OF["on"]), background, np.full(rows, language.ID_OF["."])], axis=1)
        end[counter.uniform(words[:, 1]) < 0.5, :2] = PAD
        return _pack(np.concatenate([pieces.reshape(rows, -1), end], axis=1))

    def log2_prob(self, drawn: Scenes, caption: Caption) -> np.ndarray:
        """log2 p(caption | x) [B] of one caption for each scene, equation (2); -inf where it cannot be drawn."""
        seen, m = objects(drawn), len(caption.clauses)
        empty = drawn.k == 0
        if caption.clauses == ((language.NG, ANYTHING, language.NO_SHAPES, 0),):
            total = np.where(empty, 0.0, -np.inf)
        elif m == self.number or (m in CLAUSES and not self.number):
            chance = 1.0 if self.number else CLAUSES[m]
            total = np.full(len(empty), math.log2(chance) + (1 - m) * math.log2(len(language.SEPARATORS)))
            probability = self.type_probabilities(seen)[m - 1]
            for clause in caption.clauses:
                allowed = self.allowed(clause[0], seen)
                is_it = (language.clauses(clause[0]) == clause).all(axis=1)
                chance = probability[:, clause[0]] * (allowed & is_it).any(axis=1) / np.maximum(allowed.sum(axis=1), 1)
                with np.errstate(divide="ignore"):
                    total = total + np.log2(chance)
            total = np.where(empty, -np.inf, total)
        else:
            total = np.full(len(empty), -np.inf)
        unnamed = caption.background is None
        return np.where(unnamed or drawn.background == caption.background, total - 1, -np.inf)

    def each_log2_prob(self, drawn: Scenes, said: np.ndarray) -> np.ndarray:
        """log2 p(caption | x) [B] of a caption [B, S] for each scene."""
        parsed = (language.parse(language.to_text(words)) for words in said)
        one = (Scenes(drawn.background[row : row + 1], drawn.contents[row : row + 1]) for row in range(len(said)))
        return np.array([self.log2_prob(scene, caption)[0] for scene, caption in zip(one, parsed, strict=True)])

    def _has(self, kind: int, seen: Objects) -> np.ndarray:
        """bool [B]: whether there is a statement of a type to make."""
        count = (seen.shape < SHAPES).sum(axis=1)
        if kind in _ALWAYS and not self.without:  # what is known needs no table
            return count >= (_ALWAYS[kind] if kind != LC or self.tier.side > 1 else math.inf)
        return (count > 0) & self.allowed(kind, seen).any(axis=1)

    def _held_out_clause(self, name: str, seen: Objects, words: np.ndarray) -> np.ndarray:
        """Tokens [B, 8] of a held-out statement, uniform among the true ones."""
        parts = [(kind, held_out(name, kind)) for kind in range(len(TYPES))]
        table = np.concatenate([true_clauses(self.tier, kind, seen)[:, which] for kind, which in parts if which.any()], axis=1)
        tokens = np.concatenate([language.clause_tokens(kind)[which] for kind, which in parts if which.any()])
        passed = np.cumsum(table, axis=1)
        return tokens[(passed <= counter.below(words, passed[:, -1])[:, None]).sum(axis=1)]

    def _choose(self, kind: int, seen: Objects, words: np.ndarray) -> np.ndarray:
        """The number of a statement [B], uniform among those that may be made."""
        chosen = np.zeros(len(words), np.int64)
        for start in range(0, len(words), 256):
            part = slice(start, start + 256)
            allowed = self.allowed(kind, Objects(*(each[part] for each in seen)))
            width = NOUNS if allowed.shape[1] % NOUNS == 0 else allowed.shape[1]
            blocks, rows = allowed.reshape(len(allowed), -1, width), np.arange(len(allowed))
            passed = np.cumsum(blocks.sum(axis=2, dtype=np.int32), axis=1)
            wanted = counter.below(words[part], passed[:, -1])
            block = (passed <= wanted[:, None]).sum(axis=1)
            inside = np.cumsum(blocks[rows, block], axis=1)
            wanted = wanted - passed[rows, block] + inside[:, -1]
            chosen[part] = block * width + (inside <= wanted[:, None]).sum(axis=1)
        return chosen


def _pack(tokens: np.ndarray) -> np.ndarray:
    """Tokens [B, n] with the padding moved to the end, cut to [B, LENGTH]."""
    order = np.argsort(tokens == PAD, axis=1, kind="stable")
    return np.take_along_axis(tokens, order, axis=1)[:, :LENGTH].astype(np.int32)


# ---- metadata ------------------------------------------------------------------------------------------------------


def metadata(caption: Caption) -> dict[str, Any]:
    """A caption in GenEval's schema (arXiv:2310.11513): `include`, all of which must be there so often, and `exclude`, none of which may.

    "two red circles" includes two and excludes three, as GenEval caps counts; a negation excludes one. What the schema has no word for
    (relations, places, quantifiers) stands under `relations`, as the clause's words.
    """
    include, exclude, relations = [], [], []

    def item(phrase: int, count: int) -> dict[str, Any]:
        colour, shape = divmod(phrase, SHAPES + 1)
        name = (*scenes.SHAPE_NAMES, "shape")[shape]
        return {"class": name, "count": count} | ({"color": scenes.COLOUR_NAMES[colour]} if colour < OBJECT_COLOURS else {})

    for clause in caption.clauses:
        kind, a, b, r = clause
        if kind in (EX, CT, RL, LC):
            include += [item(a, r if kind == CT else 1), *([item(b, 1)] if kind == RL else [])]
        if kind in (CT, NG, NC):
            exclude.append(item(a, r + 1 if kind == CT else 1))
        if kind in (RL, LC, NA, UN, ON, CM):
            relations.append(" ".join(language.clause_words(*clause)))
    return {
        "prompt": " ".join(language.caption_words(caption)).replace(" ,", ",").replace(" .", "."),
        "include": include,
        "exclude": exclude,
        "relations": relations,
    } | ({} if caption.background is None else {"background": scenes.BACKGROUND_NAMES[caption.background]})
