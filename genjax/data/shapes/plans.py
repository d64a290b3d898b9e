"""What a scene is to show, in words: cell by cell its object or nothing, row by row, and the background. A caption leaves much open; a plan does not.

    plan := {COLOUR SHAPE | "nothing"} "on" BACKGROUND "."          "red circle nothing nothing blue heart on black."

A model of text that writes a plan for a caption decides everything but where in its cell an object lies, so a model of pictures that reads the plan
need not know what "no", "more than" or "left of" mean (Lian et al., 2023, arXiv:2305.13655). Given its plan, a scene of k objects is one of 4^k:

    -log2 p(scene | plan) = 2 k                                                                                     (1)
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from genjax.data.base import Verdicts
from genjax.data.shapes import captions, language, scenes
from genjax.data.shapes.language import ID_OF, NAME_OF, PAD
from genjax.data.shapes.prompts import SceneData
from genjax.data.shapes.scenes import COLOUR_NAMES, OBJECT_COLOURS, SHAPE_NAMES, SHAPES, Scenes, Tier
from genjax.errors import UsageError

_EMPTY = OBJECT_COLOURS, SHAPES


def length(tier: Tier) -> int:
    """Words of the longest plan, with room for the one object more of `dense`."""
    return tier.cells + min(tier.cells, tier.max_count + 1) + 3


def told(tier: Tier, shown: Scenes) -> np.ndarray:
    """The plans int32 [N, length] of scenes, padded."""
    seen = captions.objects(shown)
    rows = []
    for shapes, colours, background in zip(seen.shape, seen.colour, seen.background, strict=True):
        words = [word for cell in zip(colours, shapes, strict=True) for word in _words(*map(int, cell))]
        words += ["on", scenes.BACKGROUND_NAMES[background], "."]
        rows.append([ID_OF[word] for word in words] + [PAD] * (length(tier) - len(words)))
    return np.array(rows, np.int32)


def read(tier: Tier, plan: np.ndarray) -> tuple[list[tuple[int, int]], int]:
    """(colour, shape) of each cell and the background of a plan's tokens.

    Raises:
      UsageError: they are no plan.
    """
    words = [NAME_OF.get(int(token), "<code>") for token in plan if token != PAD]
    text = " ".join(words)
    rest, cells = [word for word in words if word != "."], []
    while len(cells) < tier.cells and rest:
        if rest[0] == "nothing":
            cells.append(_EMPTY)
            rest = rest[1:]
        elif len(rest) > 1 and rest[0] in COLOUR_NAMES and rest[1] in SHAPE_NAMES:
            cells.append((COLOUR_NAMES.index(rest[0]), SHAPE_NAMES.index(rest[1])))
            rest = rest[2:]
        else:
            break
    if len(cells) < tier.cells or len(rest) != 2 or rest[0] != "on" or rest[1] not in scenes.BACKGROUND_NAMES:
        raise UsageError(
            f"'{text}' is no plan of {tier.name}: for each cell of the {tier.cells}, row by row, it says 'nothing' or what is there, such as "
            f"'red circle', and then 'on {scenes.BACKGROUND_NAMES[0]}' or 'on {scenes.BACKGROUND_NAMES[1]}'"
        )
    return cells, scenes.BACKGROUND_NAMES.index(rest[1])


def objects(tier: Tier, plans: np.ndarray) -> tuple[captions.Objects, np.ndarray]:
    """What plans [N, length] show, and whether each is one, bool [N]; what is none shows an empty scene."""
    cells, backgrounds, right = np.tile(np.array(_EMPTY), (len(plans), tier.cells, 1)), np.zeros(len(plans), int), np.ones(len(plans), bool)
    for row, plan in enumerate(plans):
        try:
            cells[row], backgrounds[row] = read(tier, plan)
        except UsageError:
            right[row] = False
    return captions.Objects(cells[..., 1], cells[..., 0], backgrounds), right


@dataclasses.dataclass(frozen=True)
class Plans(SceneData):
    """See `data.base.Prompts`: what is asked for is a plan."""

    def encode(self, text: str) -> np.ndarray:
        words = text.lower().replace(",", " ").replace(".", " ").split()
        language.check_words(words, f"plan '{text}'")
        plan = np.array([ID_OF[word] for word in [*words, "."]], np.int32)
        read(self.tier, plan)
        return np.pad(plan, (0, length(self.tier) - len(plan)))

    def decode(self, caption: np.ndarray) -> str:
        return language.to_text(caption)

    def category(self, caption: np.ndarray) -> str:
        (cells, _) = read(self.tier, caption)
        count = sum(cell != _EMPTY for cell in cells)
        return f"{count} object" + "s" * (count != 1)

    def judge(self, asked: np.ndarray, data: np.ndarray) -> Verdicts:
        facts = self.facts(data)
        wanted, right = objects(self.tier, asked)
        same = [
            (np.asarray(facts.background) == wanted.background),
            (np.asarray(facts.shape) == wanted.shape).all(axis=1),
            ((np.asarray(facts.colour) == wanted.colour) | (wanted.shape == SHAPES)).all(axis=1),
        ]
        valid, names = np.asarray(facts.valid), ("background", "wrong shape", "wrong colour")
        first = [next((name for name, part in zip(names, row, strict=True) if not part), "none") for row in zip(*same, strict=True)]
        errors = [error if shown else "malformed" for shown, error in zip(valid, first, strict=True)]
        return Verdicts(valid, right & np.all(same, axis=0), errors)

    def nats(self, asked: np.ndarray) -> np.ndarray:
        """-log p [N] of scenes given their plans: equation (1)."""
        wanted, _ = objects(self.tier, asked)
        return 2 * (wanted.shape < SHAPES).sum(axis=1) * math.log(2)


def _words(colour: int, shape: int) -> list[str]:
    return ["nothing"] if shape == SHAPES else [COLOUR_NAMES[colour], SHAPE_NAMES[shape]]
