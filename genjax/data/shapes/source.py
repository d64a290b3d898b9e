"""shapes as a data set: `shapes:s16` of pictures, `shapes_codes:s16` of the same scenes as codes, both with captions.

An argument is a tier, and after it at most one thing that is held out and the weight of negations: `s16`, `s16/comp1`, `s16/p_neg=0`,
`s24/neg/p_neg=0.3`. Row i of a split is a function of i alone, made when it is asked for: nothing is stored and nothing is read.

    held out     train                         eval
    (nothing)    98 % of scenes, by a hash     another 1 %
    test         the same                      the last 1 %
    comp1/2      scenes without ...            scenes with a held-out combination          (`splits`)
    dense        the same as without           one object more                             (`splits`)
    rel, neg, scope                            captions without ..., and with a held-out statement   (`captions`)
    len          captions of 1 to 3 clauses    of 4
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from genjax.data.base import Arrays, Source
from genjax.data.shapes import captions, counter, language, scenes, splits
from genjax.data.shapes.captions import Speaker
from genjax.data.shapes.prompts import ScenePrompts
from genjax.data.shapes.scenes import CODES, TIERS, Scenes, Tier
from genjax.errors import UsageError, did_you_mean
from genjax.types import DataSpec

TRAIN_SIZE = 2**20  # rows of an epoch; on S16 they are of 5e9 scenes
EVAL_SIZE = 4096
_SEED = 1  # of rows; of splits it is splits.SALT
# The fewest objects of a scene that shows, or can be said, what is held out.
LEAST = {"comp1": 1, "comp2": 2, "len": 1, "rel": 2, "neg": 1, "scope": 1}
HELD_OUT = ("", "test", "comp1", "comp2", "dense", "len", *captions.HELD_OUT)


@dataclasses.dataclass(frozen=True)
class SceneRows:
    """Rows of a split.

    Attributes:
      speaker: draws the captions.
      split: "train", "val", "test" or "all".
      counts: k is uniform on it.
      combination: a name in splits.HELD_OUT; scenes that show it are avoided or, if `seen`, the only ones.
      statement: a name in captions.HELD_OUT that every caption makes, or "".
      size: how many rows.
    """

    speaker: Speaker
    split: str
    counts: range
    combination: str
    seen: bool
    statement: str
    size: int

    def __len__(self) -> int:
        return self.size

    def scenes(self, indices: np.ndarray) -> Scenes:
        """The scenes of rows [n]."""
        said = [(kind, captions.held_out(self.statement, kind)) for kind in range(len(language.TYPES)) if self.statement]
        said = [(kind, which) for kind, which in said if which.any()]

        def wanted(drawn: Scenes) -> np.ndarray:
            right = splits.HELD_OUT[self.combination](drawn) == self.seen
            for start in range(0, len(right), 512) if said else ():
                part = slice(start, start + 512)
                seen = captions.objects(Scenes(drawn.background[part], drawn.contents[part]))
                right[part] &= np.any([captions.true_clauses(self.tier, kind, seen)[:, which].any(axis=1) for kind, which in said], axis=0)
            return right

        return splits.draw(self.tier, self.split, indices, _SEED, self.counts, wanted)

    @property
    def tier(self) -> Tier:
        return self.speaker.tier

    def rows(self, indices: np.ndarray) -> Arrays:
        drawn = self.scenes(indices)
        state = counter.fold(counter.fold(counter.start(_SEED), 1000 + list(splits.SHARES).index(self.split)), indices)
        return {
            "image": scenes.image(self.tier, drawn),
            "codes": scenes.codes(self.tier, drawn).astype(np.int32),
            "caption": self.speaker.draw(drawn, state, must=self.statement),
        }


@dataclasses.dataclass(frozen=True)
class CodeRows:
    """The same rows with the codes as the data."""

    pictures: SceneRows

    def __len__(self) -> int:
        return len(self.pictures)

    def rows(self, indices: np.ndarray) -> Arrays:
        found = self.pictures.rows(indices)
        return {"tokens": found["codes"], "caption": found["caption"]}


def open_shapes(argument: str, data_dir: str | None = None) -> Source:
    """Pictures uint8 [n, H, W, 3]; `codes` int32 [n, H/2, W/2] and `caption` int32 [n, 24] beside them.

    Raises:
      UsageError: there is no such tier, or nothing of that name can be held out of it.
    """
    train, held_out = _splits(argument)
    spec = DataSpec("shapes:" + argument, "image", (train.tier.pixels,) * 2 + (3,), 256, palette=tuple(map(tuple, scenes.PALETTE.tolist())), **_TOLD)
    return Source(spec, {"train": train, "eval": held_out}, exact_nats=_exact_nats(held_out, "codes"), prompts=ScenePrompts(train.tier, coded=False))


def open_shapes_codes(argument: str, data_dir: str | None = None) -> Source:
    """The codes of the same pictures as `tokens` int32 [n, H/2, W/2], and `caption` int32 [n, 24].

    Raises:
      UsageError: as in `open_shapes`.
    """
    train, held_out = _splits(argument)
    spec = DataSpec("shapes_codes:" + argument, "tokens", (train.tier.patches,) * 2, CODES, **_TOLD)
    return Source(
        spec,
        {"train": CodeRows(train), "eval": CodeRows(held_out)},
        exact_nats=_exact_nats(held_out, "tokens"),
        prompts=ScenePrompts(train.tier, coded=True),
    )


_TOLD: dict[str, Any] = {
    "num_classes": 0,
    "train_size": TRAIN_SIZE,
    "eval_size": EVAL_SIZE,
    "words": language.FIRST_CODE,
    "caption_length": language.LENGTH,
}


def _exact_nats(held_out: SceneRows, codes: str) -> Callable[[Arrays], np.ndarray] | None:
    """-log p [n] of rows whose codes [n, h, w] are under that name: equation (2) of `scenes`, where the split is as all scenes are."""
    tier = held_out.tier
    if held_out.combination or held_out.statement or held_out.counts != tier.counts:
        return None

    def nats(rows: Arrays) -> np.ndarray:
        return scenes.bits(tier, scenes.objects_shown(tier, rows[codes])) * math.log(2)

    return nats


def _splits(argument: str) -> tuple[SceneRows, SceneRows]:
    """The rows of the train and of the eval split that an argument names."""
    name, *options = argument.split("/")
    what = f"data source 'shapes:{argument}'"
    if name not in TIERS:
        raise UsageError(f"{what}: the tiers are {', '.join(TIERS)}{did_you_mean(name, TIERS)}")
    tier, held_out, p_neg = TIERS[name], "", Speaker.p_neg
    for option in options:
        key, _, value = option.partition("=")
        if key == "p_neg":
            p_neg = _weight(what, value)
        elif option in HELD_OUT and not held_out:
            held_out = option
        else:
            raise UsageError(f"{what}: after the tier come one of {', '.join(HELD_OUT[1:])}, and p_neg=NUMBER{did_you_mean(option, HELD_OUT)}")
    combination = held_out if held_out in splits.HELD_OUT else ""
    statement = held_out if held_out in captions.HELD_OUT else ""
    least = LEAST.get(held_out, 0)
    dense = held_out == "dense"
    if max(least, tier.max_count + dense) > (tier.cells if dense else tier.max_count):
        raise UsageError(f"{what}: {tier.name} has {tier.cells} cells and at most {tier.max_count} objects, too few for '{held_out}'")
    speaker = Speaker(tier, p_neg, statement)
    train = SceneRows(speaker, "train", tier.counts, combination, False, "", TRAIN_SIZE)
    return train, SceneRows(
        speaker=Speaker(tier, p_neg, "", 4 if held_out == "len" else None),
        split="all" if combination or dense else "test" if held_out == "test" else "val",
        counts=range(tier.max_count + 1, tier.max_count + 2) if dense else range(least, tier.max_count + 1),
        combination=combination,
        seen=bool(combination),
        statement=statement,
        size=EVAL_SIZE,
    )


def _weight(what: str, value: str) -> float:
    try:
        weight = float(value)
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= 1:
        raise UsageError(f"{what}: p_neg is a number from 0 to 1, not '{value}'")
    return weight
