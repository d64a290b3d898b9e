"""A picture as a prompt: draw the same objects, elsewhere.

A reference shows the objects of a scene, each with its shape and its colour, on a background, in cells and at offsets of its own. A network is told
of it as of a caption: its codes are the words, and 0 stays the padding. Given it, a scene is one of those with these objects, all equally likely:

    -log2 p(scene | reference) = 1 + log2 C(n, k) + log2 (k! / prod m!) + 2 k,      m the numbers of equal objects      (1)
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from genjax.data.base import Verdicts
from genjax.data.shapes import counter, oracle, scenes
from genjax.data.shapes.prompts import SceneData
from genjax.data.shapes.scenes import CODES, OFFSETS, Scenes, Tier
from genjax.errors import UsageError

WORDS = 1 + CODES


def draw(tier: Tier, shown: Scenes, state: np.ndarray) -> Scenes:
    """A reference of each of the scenes [N], from states uint64 [N] of `counter`."""
    words = counter.words(state, 1 + 2 * tier.cells)
    order, offsets = np.argsort(words[:, 1 : 1 + tier.cells], axis=1), counter.below(words[:, 1 + tier.cells :], OFFSETS)
    moved = np.take_along_axis(shown.contents, order, axis=1)
    return Scenes(counter.below(words[:, 0], 2), np.where(moved > 0, moved - (moved - 1) % OFFSETS + offsets, 0))


def told(tier: Tier, reference: Scenes) -> np.ndarray:
    """References [N] as captions int32 [N, codes]."""
    return 1 + scenes.codes(tier, reference).reshape(len(reference.background), -1).astype(np.int32)


def objects(facts: oracle.Facts) -> list[tuple[int, ...]]:
    """The objects of each example, sorted numbers 7 shape + colour; what cannot be read is none."""
    numbers = np.asarray(facts.shape) * scenes.OBJECT_COLOURS + np.asarray(facts.colour)
    there = (np.asarray(facts.shape) < scenes.SHAPES) & np.asarray(facts.accepted)
    return [tuple(sorted(row[shown].tolist())) for row, shown in zip(numbers, there, strict=True)]


def bits(tier: Tier, shown: list[tuple[int, ...]]) -> np.ndarray:
    """Equation (1), float64 [N], of what each scene shows, numbers that say shape and colour."""

    def one(numbers: tuple[int, ...]) -> float:
        k = len(numbers)
        ways = math.factorial(k) / math.prod(map(math.factorial, Counter(numbers).values()))
        return 1 + math.log2(math.comb(tier.cells, k)) + math.log2(ways) + 2 * k

    return np.array([one(numbers) for numbers in shown])


@dataclasses.dataclass(frozen=True)
class References(SceneData):
    """See `data.base.Prompts`. As text, a reference is the file of a picture, or, when it is told to people, the list of its objects."""

    def encode(self, text: str) -> np.ndarray:
        size = (self.tier.pixels,) * 2
        try:
            picture = Image.open(Path(text))
            if picture.size != size:  # before its pixels are read: a small file may have very many
                given, wanted = (f"{width}x{height}" for width, height in (picture.size, size))
                raise UsageError(f"--prompt: {text} has {given} pixels: a scene of {self.tier.name} has {wanted}")
            pixels = np.asarray(picture.convert("RGB"), float)
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise UsageError(f"--prompt: {text} is no picture that can be read ({error}): give the file of a scene of {self.tier.name}") from None
        nearest = np.linalg.norm(pixels[..., None, :] - scenes.PALETTE, axis=-1).argmin(axis=-1)
        codes = scenes.encode(nearest[None].astype(np.uint8))
        if (codes < 0).any():
            raise UsageError(f"--prompt: {text} shows two objects within 2x2 pixels, which no scene does: give a picture that sample.py has drawn")
        return 1 + codes.reshape(-1).astype(np.int32)

    def decode(self, caption: np.ndarray) -> str:
        (shown,) = self._shown(caption[None])
        names = [f"{scenes.COLOUR_NAMES[number % scenes.OBJECT_COLOURS]} {scenes.SHAPE_NAMES[number // scenes.OBJECT_COLOURS]}" for number in shown]
        return "a picture of " + (", ".join(names) or "nothing")

    def category(self, caption: np.ndarray) -> str:
        (shown,) = self._shown(caption[None])
        return f"{len(shown)} object" + "s" * (len(shown) != 1)

    def judge(self, asked: np.ndarray, data: np.ndarray) -> Verdicts:
        facts = self.facts(data)
        wanted, drawn, valid = self._shown(asked), objects(facts), np.asarray(facts.valid)
        follow = np.array([one == other for one, other in zip(wanted, drawn, strict=True)])

        def error(number: int) -> str:
            missing, extra = (len(Counter(a) - Counter(b)) for a, b in ((wanted[number], drawn[number]), (drawn[number], wanted[number])))
            kinds = {(True, True): "another object", (True, False): "missing", (False, True): "extra", (False, False): "none"}
            return "malformed" if not valid[number] else kinds[missing > 0, extra > 0]

        return Verdicts(valid, follow, [error(number) for number in range(len(asked))])

    def nats(self, asked: np.ndarray) -> np.ndarray:
        """-log p [N] of scenes given references [N, codes]."""
        return bits(self.tier, self._shown(asked)) * math.log(2)

    def _shown(self, asked: np.ndarray) -> list[tuple[int, ...]]:
        """The objects of references [N, codes]."""
        codes = asked.reshape(-1, self.tier.patches, self.tier.patches) - 1
        return objects(References(self.tier, coded=True).facts(codes))
