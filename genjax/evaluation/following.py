"""Whether a model draws what it is asked for: prompts of the held-out split, and the oracle of the data."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from genjax.data.base import Arrays, Source, Verdicts
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.planner import Planner
from genjax.evaluation.statistics import ALL, Share, share
from genjax.types import Params


class Row(NamedTuple):
    """Of the prompts of one category.

    Attributes:
      follow: how often the prompt is true of what was drawn for it.
      strict: how often it is, and the drawing shows nothing but what there is.
      by_chance: how often it is true of the held-out example of the next prompt: what a model would get that draws well and does not listen.
    """

    follow: Share
    strict: Share
    by_chance: Share


class Following(NamedTuple):
    """Category -> its row, and the first errors of all drawings by name -> how many."""

    rows: dict[str, Row]
    errors: dict[str, int]


def judged(evaluator: Evaluator, params: Params, count: int, planner: Planner | None = None) -> tuple[Arrays, Verdicts]:
    """The first `count` held-out examples, and the verdicts on one sample for the caption of each; with a planner, for its plan of the caption."""
    source = evaluator.run.source
    assert source.prompts is not None, "these data cannot be asked for"
    asked = held_out(source, count)
    if planner is None:
        return asked, source.prompts.judge(asked["caption"], evaluator.draw(params, len(asked["caption"])).data)
    captions = planner.held_out(count)
    drawn = evaluator.draw(params, len(captions), given={"caption": planner(captions)}).data
    return asked | {"caption": captions}, planner.prompts.judge(captions, drawn)


def measure(evaluator: Evaluator, params: Params, count: int, planner: Planner | None = None) -> Following:
    """`count` samples, one for the caption of each of the first held-out examples."""
    asked, verdicts = judged(evaluator, params, count, planner)
    prompts = planner.prompts if planner is not None else evaluator.run.source.prompts
    assert prompts is not None
    others = prompts.judge(asked["caption"], np.roll(asked[evaluator.run.source.spec.key], -1, axis=0)).follow
    categories = np.array([prompts.category(caption) for caption in asked["caption"]])
    rows = {}
    for name in [ALL, *sorted(set(categories))]:
        here = (categories == name) | (name == ALL)
        rows[name] = Row(share(verdicts.follow[here]), share(verdicts.strict[here]), share(others[here]))
    return Following(rows, dict(Counter(verdicts.error).most_common()))


def lines(found: Following) -> list[str]:
    """The measurement as a table for people."""
    show = lambda part: f"{100 * part.value:5.1f} % [{100 * part.low:5.1f}, {100 * part.high:5.1f}]"
    table = [f"  {'follows its prompt':<20} {'95 % interval':<24} {'and is valid':<24} {'by chance':<10} prompts"]
    for name, row in found.rows.items():
        table.append(f"    {name:<18} {show(row.follow):<24} {show(row.strict):<24} {100 * row.by_chance.value:5.1f} %    {row.follow.count}")
    return [*table, "    first errors: " + ", ".join(f"{name} {count}" for name, count in found.errors.items())]


def record(found: Following) -> dict:
    """The measurement as JSON."""
    rows = {name: {what: value._asdict() for what, value in row._asdict().items()} for name, row in found.rows.items()}
    return {"rows": rows, "errors": found.errors}


def held_out(source: Source, count: int) -> Arrays:
    """The first `count` held-out rows, or all."""
    rows = source.splits["eval"]
    return rows.rows(np.arange(min(count, len(rows))))
