"""Whether "no triangle" keeps triangles away: how often a picture that was asked for without something shows it.

Most scenes show no triangle anyway, so the rate stands beside the neutral one, that of the data themselves (`posterior.negated`):
efficacy = 1 - rate / neutral is 1 where a model obeys, 0 where it does not listen, and negative where the word brings about what it forbids.
But an empty scene says "no shapes" and nothing else, so who hears no more than that something is said shows things as often as scenes with an
object do: that rate stands beside, too.
A picture in which the oracle cannot read a cell may show anything: the rate is that of the others, and how many they are stands beside it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genjax.config import require
from genjax.data.base import Verdicts
from genjax.data.shapes import posterior, scenes
from genjax.data.shapes.prompts import ScenePrompts
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.statistics import Share, share
from genjax.training.setup import Run
from genjax.types import Params

SHAPES, COLOURS = scenes.SHAPE_NAMES, scenes.COLOUR_NAMES
# What is forbidden -> the phrases, and how many of all objects each of them fits.
KINDS = {
    "a shape": (SHAPES, 1 / len(SHAPES)),
    "a colour": (tuple(f"{colour} shape" for colour in COLOURS), 1 / len(COLOURS)),
    "a coloured shape": (tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES), 1 / len(SHAPES) / len(COLOURS)),
}


class Row(NamedTuple):
    """How often what is forbidden is there among the valid pictures, how many those are, and its rate in all and in occupied scenes."""

    shown: Share
    valid: Share
    neutral: float
    occupied: float

    @property
    def efficacy(self) -> float:
        return 1 - self.shown.value / self.neutral


def check(run: Run) -> ScenePrompts:
    """How a run is asked for scenes; UsageError where it cannot be asked to leave something out."""
    prompts = run.source.prompts
    require(isinstance(prompts, ScenePrompts) and run.captioned, "--negation asks for scenes of shapes: train on them with conditioning.text=tokens")
    assert isinstance(prompts, ScenePrompts)
    return prompts


def judged(evaluator: Evaluator, params: Params, count: int, kind: str) -> Verdicts:
    """The verdicts on `count` pictures that were asked for without a kind of thing, its phrases in turn."""
    prompts, (phrases, _) = check(evaluator.run), KINDS[kind]
    asked = np.stack([prompts.encode(f"no {phrases[row % len(phrases)]}") for row in range(count)])
    return prompts.judge(asked, evaluator.draw(params, count, given={"caption": asked}).data)


def measure(evaluator: Evaluator, params: Params, count: int) -> dict[str, Row]:
    """Of `count` pictures for each kind of thing."""
    prompts = check(evaluator.run)
    table = {}
    for kind, (_, part) in KINDS.items():
        found = judged(evaluator, params, count, kind)
        neutral, occupied = (posterior.negated(prompts.tier, part, least) for least in (0, 1))
        table[kind] = Row(share(~found.follow[found.valid]), share(found.valid), neutral, occupied)
    return table


def lines(table: dict[str, Row]) -> list[str]:
    """The measurement as a table for people."""
    written = [f"  {'shown although forbidden':<28} {'95 % interval':<20} {'in the data':<14} {'with an object':<16} {'efficacy':<10} valid"]
    for name, row in table.items():
        interval = f"{100 * row.shown.value:5.1f} % [{100 * row.shown.low:5.1f}, {100 * row.shown.high:5.1f}]"
        rates = f"{100 * row.neutral:5.2f} %        {100 * row.occupied:5.2f} %"
        written.append(f"    {name:<26} {interval:<26} {rates}          {row.efficacy:+.2f}      {100 * row.valid.value:5.1f} %")
    return written


def record(table: dict[str, Row]) -> dict:
    """The measurement as JSON."""
    return {
        name: row._asdict() | {"shown": row.shown._asdict(), "valid": row.valid._asdict(), "efficacy": row.efficacy} for name, row in table.items()
    }
