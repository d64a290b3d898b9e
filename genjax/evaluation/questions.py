"""Questions about images, and what a model answers: how often it is right, beside the answer that is the commonest in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from genjax.data.base import Arrays, Source
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.statistics import ALL, Share, wilson
from genjax.types import Params

_COUNTED = 4096  # training rows whose answers are counted


class Row(NamedTuple):
    """Of the questions of one group, by the name of what is measured: how often the model is right, and how often the commonest answer is."""

    model: dict[str, Share]
    commonest: dict[str, Share]


def judged(evaluator: Evaluator, params: Params, count: int) -> tuple[Arrays, Mapping[str, tuple[np.ndarray, np.ndarray]]]:
    """The first `count` held-out rows, and by the name of a measure how many things are right in the answer to each, of how many."""
    source = evaluator.run.source
    assert source.questions is not None, "these data ask nothing"
    held_out = source.splits["eval"]
    rows = held_out.rows(np.arange(min(count, len(held_out))))
    return rows, source.questions.judge(rows, answer(evaluator, params, rows))


def measure(evaluator: Evaluator, params: Params, count: int) -> dict[str, Row]:
    """Of the first `count` held-out questions: group -> its row."""
    source, (rows, mine) = evaluator.run.source, judged(evaluator, params, count)
    assert source.questions is not None
    groups = source.questions.groups(rows)
    usual = commonest(source)
    theirs = source.questions.judge(rows, [usual[kind] for kind, *_ in groups])
    table = {}
    for name in (ALL, *sorted({group[0] for group in groups}), *sorted({other for group in groups for other in group[1:]})):
        here = np.array([name == ALL or name in group for group in groups])
        table[name] = Row(_shares(mine, here), _shares(theirs, here))
    return table


def answer(evaluator: Evaluator, params: Params, rows: Arrays) -> list[np.ndarray]:
    """What a model answers to the questions of rows: tokens, without those that end an answer."""
    given = {name: rows[name] for name in ("tokens", "segment_ids", "positions", "caption") if name in rows} | {"mask": rows["loss_mask"] == 0}
    drawn = evaluator.draw(params, len(rows["tokens"]), given=given).data
    return said(drawn, rows["loss_mask"] > 0, evaluator.run.source.spec.levels - 2)


def said(tokens: np.ndarray, supervised: np.ndarray, end: int) -> list[np.ndarray]:
    """The supervised tokens [n, T] of rows, up to the first that ends an answer."""
    found = [row[here] for row, here in zip(tokens, supervised, strict=True)]
    return [row[: int(np.argmax(row == end))] if (row == end).any() else row for row in found]


def commonest(source: Source) -> dict[str, np.ndarray]:
    """The answer that a kind of question has most often in training."""
    assert source.questions is not None, "these data ask nothing"
    train = source.splits["train"]
    rows = train.rows(np.arange(min(_COUNTED, len(train))))
    counts: dict[str, Counter[tuple[int, ...]]] = {}
    for (kind, *_), words in zip(source.questions.groups(rows), said(rows["tokens"], rows["loss_mask"] > 0, source.spec.levels - 2), strict=True):
        counts.setdefault(kind, Counter())[tuple(words.tolist())] += 1
    return {kind: np.array(counter.most_common(1)[0][0]) for kind, counter in counts.items()}


def lines(table: Mapping[str, Row]) -> list[str]:
    """The measurement as a table for people."""
    written = []
    for measured in table[ALL].model:
        written.append(f"  {measured:<20} {'95 % interval':<24} {'the commonest answer':<22} questions")
        for name, row in table.items():
            model, usual = row.model[measured], row.commonest[measured]
            interval = f"{100 * model.value:5.1f} % [{100 * model.low:5.1f}, {100 * model.high:5.1f}]"
            written.append(f"    {name:<18} {interval:<24} {100 * usual.value:5.1f} %                {model.count}")
    return written


def record(table: Mapping[str, Row]) -> dict:
    """The measurement as JSON."""
    return {
        name: {who: {what: share._asdict() for what, share in part.items()} for who, part in row._asdict().items()} for name, row in table.items()
    }


def _shares(judged: Mapping[str, tuple[np.ndarray, np.ndarray]], here: np.ndarray) -> dict[str, Share]:
    """The share of right things of some rows; its interval takes them for independent."""
    sums = {name: (int(right[here].sum()), int(of[here].sum())) for name, (right, of) in judged.items()}
    return {name: Share(right / of, *wilson(right, of), of) for name, (right, of) in sums.items()}
