"""Whether "no triangle" keeps triangles away: how often a picture that was asked for without something shows it.

Most scenes show no triangle anyway, so the rate stands beside the neutral one, that of the data themselves (`posterior.negated`):
efficacy = 1 - rate / neutral is 1 where a model obeys, 0 where it does not listen, and negative where the word brings about what it forbids.
A picture in which the oracle cannot read a cell may show anything: the rate is that of the others, and how many they are stands beside it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genjax.config import require
from genjax.data.shapes import posterior, scenes
from genjax.data.shapes.prompts import ScenePrompts
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.statistics import Share, share
from genjax.types import Params

SHAPES, COLOURS = scenes.SHAPE_NAMES, scenes.COLOUR_NAMES
# What is forbidden -> the phrases, and how many of all objects each of them fits.
KINDS = {
    "a shape": (SHAPES, 1 / len(SHAPES)),
    "a colour": (tuple(f"{colour} shape" for colour in COLOURS), 1 / len(COLOURS)),
    "a coloured shape": (tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES), 1 / len(SHAPES) / len(COLOURS)),
}


class Row(NamedTuple):
    """How often what is forbidden is there among the valid pictures, how many those are, and how often it is in the data."""

    shown: Share
    valid: Share
    neutral: float

    @property
    def efficacy(self) -> float:
        return 1 - self.shown.value / self.neutral


def measure(evaluator: Evaluator, params: Params, count: int) -> dict[str, Row]:
    """Of `count` pictures for each kind of thing, its phrases in turn."""
    prompts = evaluator.run.source.prompts
    told = isinstance(prompts, ScenePrompts) and evaluator.run.captioned
    require(told, "--negation asks for scenes of shapes: train on them with conditioning.text=tokens")
    assert isinstance(prompts, ScenePrompts)
    table = {}
    for kind, (phrases, part) in KINDS.items():
        asked = np.stack([prompts.encode(f"no {phrases[row % len(phrases)]}") for row in range(count)])
        drawn = evaluator.draw(params, count, given={"caption": asked}).data
        judged = prompts.judge(asked, drawn)
        table[kind] = Row(share(~judged.follow[judged.valid]), share(judged.valid), posterior.negated(prompts.tier, part))
    return table


def lines(table: dict[str, Row]) -> list[str]:
    """The measurement as a table for people."""
    written = [f"  {'shown although forbidden':<28} {'95 % interval':<20} {'in the data':<14} {'efficacy':<10} valid"]
    for name, row in table.items():
        interval = f"{100 * row.shown.value:5.1f} % [{100 * row.shown.low:5.1f}, {100 * row.shown.high:5.1f}]"
        written.append(f"    {name:<26} {interval:<26} {100 * row.neutral:5.2f} %        {row.efficacy:+.2f}      {100 * row.valid.value:5.1f} %")
    return written


def record(table: dict[str, Row]) -> dict:
    """The measurement as JSON."""
    return {
        name: {"shown": row.shown._asdict(), "valid": row.valid._asdict(), "neutral": row.neutral, "efficacy": row.efficacy}
        for name, row in table.items()
    }
