"""What is held out: scenes by a hash of what they show, and combinations that a model must put together by itself.

A scene belongs to train (98 %), val (1 %) or test (1 %) by a hash of its background and contents. The split of a row decides which scenes it
may show, never how many objects: a row draws k first, and then scenes with k objects until one belongs to its split. So -log2 p, which is a
function of k alone, has the same mean in every split: the entropy. Counts with fewer than a thousand scenes (no object; one object on S8)
cannot be held out and are in every split.

Held-out combinations are a choice of the data set, `shapes:s16/comp1`: train does without them, eval shows nothing else.

    comp1    eight pairs of shape and colour, one a shape: a partial Latin square
    comp2    two shapes with their colours in one scene; train has both shapes with the colours swapped
    dense    one object more than train ever shows
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from genjax.data.shapes import counter, scenes
from genjax.data.shapes.scenes import Scenes, Tier

SALT = 20261121  # another salt is another data set: no reported number would be about the same scenes
SHARES = {"train": (0.0, 0.98), "val": (0.98, 0.99), "test": (0.99, 1.0), "all": (0.0, 1.0)}
_TOO_FEW = 1000

HELD_OUT_PAIRS = tuple((shape, (3 * shape + 1) % scenes.OBJECT_COLOURS) for shape in range(scenes.SHAPES))
# (shape, colour, shape, colour)
HELD_OUT_BINDINGS = tuple((a, (a + 2 * i) % 7, a + 1, (a + 2 * i + 1) % 7) for a in (0, 2, 4, 6) for i in range(3))


def scene_id(drawn: Scenes) -> np.ndarray:
    """A hash uint64 [N] of what the scenes show."""
    state = counter.fold(counter.start(SALT), drawn.background)
    for contents in drawn.contents.T:
        state = counter.fold(state, contents)
    return state


def belongs(tier: Tier, drawn: Scenes, split: str) -> np.ndarray:
    """bool [N]: whether a split ("train", "val", "test", or "all") may show the scenes."""
    low, high = SHARES[split]
    place = counter.uniform(scene_id(drawn))
    few = np.array([2 * math.comb(tier.cells, k) * (scenes.CONTENTS - 1) ** k < _TOO_FEW for k in range(tier.max_count + 2)])
    return few[drawn.k] | ((low <= place) & (place < high))


def has_pair(drawn: Scenes) -> np.ndarray:
    """bool [N]: an object is of a held-out pair of shape and colour."""
    held_out = np.zeros((scenes.SHAPES + 1, scenes.OBJECT_COLOURS + 1), bool)
    held_out[tuple(np.array(HELD_OUT_PAIRS).T)] = True
    return np.any(held_out[scenes.SHAPE_OF, scenes.COLOUR_OF][drawn.contents], axis=1)


def has_binding(drawn: Scenes) -> np.ndarray:
    """bool [N]: two objects are a held-out pairing of shapes and colours."""
    shape, colour = scenes.SHAPE_OF[drawn.contents], scenes.COLOUR_OF[drawn.contents]
    there = lambda s, c: ((shape == s) & (colour == c)).any(axis=1)
    return np.any([there(s, c) & there(t, d) for s, c, t, d in HELD_OUT_BINDINGS], axis=0)


def _nothing(drawn: Scenes) -> np.ndarray:
    return np.zeros(len(drawn.background), bool)


# Held-out combinations of what a picture shows: (scenes) -> bool [N].
HELD_OUT: dict[str, Callable[[Scenes], np.ndarray]] = {"": _nothing, "comp1": has_pair, "comp2": has_binding}


def draw(tier: Tier, split: str, index: np.ndarray, seed: int, counts: range, wanted: Callable[[Scenes], np.ndarray]) -> Scenes:
    """Scenes `index` [N] of a split: each the first of its own stream that belongs to the split and is `wanted`.

    Args:
      split: "train", "val", "test" or "all".
      seed: of the stream.
      counts: k is uniform on it.
      wanted: (scenes) -> bool [N]; it must be true of some scenes for every k of `counts`.
    """
    stream = counter.fold(counter.fold(counter.start(seed), list(SHARES).index(split)), index)
    count = scenes.draw_count(counts, stream)
    found = Scenes(np.zeros(len(index), np.int64), np.zeros((len(index), tier.cells), np.int64))
    pending, attempt = np.arange(len(index)), 1
    while pending.size:
        # Several attempts at once where few rows are left; the first that is taken counts.
        tries = 1 if attempt == 1 else max(1, min(256, 16384 // pending.size))
        states = counter.fold(stream[pending][:, None], attempt + np.arange(tries)).reshape(-1)
        drawn = scenes.draw(tier, states, np.repeat(count[pending], tries))
        taken = belongs(tier, drawn, split)
        taken[taken] = wanted(Scenes(drawn.background[taken], drawn.contents[taken]))
        taken = taken.reshape(-1, tries)
        done, first = taken.any(axis=1), taken.argmax(axis=1)
        rows = (np.arange(len(pending)) * tries + first)[done]
        found.background[pending[done]], found.contents[pending[done]] = drawn.background[rows], drawn.contents[rows]
        pending, attempt = pending[~done], attempt + tries
    return found
