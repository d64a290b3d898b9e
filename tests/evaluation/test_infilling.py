"""Gaps in text: asked for in the order that a model knows, charged for their own bytes, and filled in by both families."""

import numpy as np
import pytest

from genjax import rng
from genjax.data import infilling as middles
from genjax.errors import UsageError
from genjax.evaluation import infilling
from genjax.evaluation.evaluator import Evaluator
from genjax.training.setup import Run
from tests.helpers import config, random_params

LENGTH = 16
TEXT = {"data__source": "markov", "data__tokenizer": "char", "data__length": LENGTH, "data__eval_batch_size": 4, "conditioning__label": False}
FAMILIES = {
    "suffix first": ("next_token", {"data__middle": 0.5, "next_token__temperature": 0}),
    "left to right": ("next_token", {"next_token__temperature": 0}),
    "masked": ("masked_diffusion", {"masked_diffusion__temperature": 0}),
    "blocks": ("masked_diffusion", {"masked_diffusion__temperature": 0, "masked_diffusion__block_size": 4}),
}


@pytest.fixture(scope="module")
def models():
    made = {}

    def make(name):
        if name not in made:
            objective, options = FAMILIES[name]
            run = Run.build(config(objective, **TEXT, **options))
            made[name] = Evaluator(run), random_params(run.objective.init)
        return made[name]

    return make


def test_the_gaps_are_the_same_for_every_family(models):
    found = [infilling.gaps_in(models(name)[0].run, 6, 3) for name in ("suffix first", "left to right", "masked")]
    for gaps in found[1:]:
        np.testing.assert_array_equal(gaps.rows["tokens"], found[0].rows["tokens"])
        np.testing.assert_array_equal(gaps.start, found[0].start)
    ends = found[0].rows["segment_ids"].sum(axis=1)
    assert (found[0].stop - found[0].start == 3).all() and (found[0].stop <= ends).all() and ends.max() <= LENGTH - middles.MARKS
    assert len(set(ends)) > 1, "no model can count where a middle ends"


def test_the_bits_of_a_gap_and_of_its_end_are_those_of_their_tokens_given_both_sides(models):
    """As the sum of what each is worth after those before it, by the model's own likelihood of rows that end there."""
    (model, params), count, length = models("suffix first"), 6, 3
    filled, gaps, marks = infilling.measure(model, params, count, length), infilling.gaps_in(model.run, count, length), model.run.source.marks
    ends = gaps.rows["segment_ids"].sum(axis=1)
    tokens, nats = middles.suffix_first(gaps.rows["tokens"][:, : -middles.MARKS], gaps.stop, ends, marks), []
    for less in (0, 1, length + 1):  # all of a row, all but its end, and what is asked
        mask = np.arange(LENGTH) < ends[:, None] + middles.MARKS - less
        batch = {"tokens": tokens, "segment_ids": np.ones_like(tokens), "loss_mask": mask.astype(np.float32), "id": np.arange(count, dtype=np.uint32)}
        batch |= {"positions": np.tile(np.arange(LENGTH), (count, 1)), "num_units": np.ones(count, np.float32), "weight": np.ones(count, np.float32)}
        nats.append(np.asarray(model.run.objective.likelihood(params, batch, rng.stream(0, "x")).nats, np.float64))
    assert filled.bits.value == pytest.approx(np.sum(nats[1] - nats[2]) / (count * length * np.log(2)), rel=1e-5)
    assert filled.end == pytest.approx(np.sum(nats[0] - nats[1]) / (count * np.log(2)), rel=1e-5)
    assert (filled.bits.kind, filled.bits.examples) == ("exact", count)


def test_given_the_prefix_alone_the_bits_are_those_of_text_in_its_order(models):
    model, params = models("suffix first")
    gaps = infilling.gaps_in(model.run, 6, 3)
    filled = infilling.measure(model, params, 6, 3)
    batch = middles.only_gap(gaps.rows, gaps.start, gaps.stop, np.ones(8, np.int64)) | {"id": np.arange(6, dtype=np.uint32)}
    nats = np.asarray(model.run.objective.likelihood(params, batch, rng.stream(0, "x")).nats, np.float64)
    assert filled.before is not None and filled.before.value == pytest.approx(nats.sum() / (18 * np.log(2)), rel=1e-5)


@pytest.mark.parametrize("name", ["suffix first", "masked", *(pytest.param(name, marks=pytest.mark.slow) for name in ("left to right", "blocks"))])
def test_what_is_written_stands_between_what_was_given(name, models):
    """All of a row is kept but the gap, and what is written there does not depend on the rows beside it."""
    model, params = models(name)
    gaps = infilling.gaps_in(model.run, 6, 3)
    drawn = infilling.fill(model, params, gaps, 3)
    alone = infilling.fill(model, params, infilling.Gaps({key: rows[:1] for key, rows in gaps.rows.items()}, gaps.start[:1], gaps.stop[:1]), 3)
    assert drawn.data.shape == (6, 3)
    np.testing.assert_array_equal(alone.data[0], drawn.data[0])
    filled = infilling.measure(model, params, 6, 3)
    assert (filled.before is not None) == (name == "suffix first") and len(filled.texts) == 5
    alphabet = model.run.source.tokenizer
    for row, (prefix, middle, suffix, _) in zip(gaps.rows["tokens"], filled.texts, strict=False):
        assert alphabet.decode(row).startswith(prefix + middle + suffix) and len(prefix + middle + suffix) >= 9


@pytest.mark.parametrize("name", ["suffix first", "masked"])
def test_a_suffix_changes_what_is_written_before_it(name, models):
    model, params = models(name)
    prefix, suffixes = np.array([0, 1], np.int32), [np.array(end, np.int32) for end in ([2, 3], [3, 3], [1, 0], [0, 0])]
    written = {infilling.between(model, params, 1, prefix, suffix, 5).data.tobytes() for suffix in suffixes}
    assert len(written) > 1


def test_of_sides_that_are_too_long_what_is_near_is_seen(models):
    model, params = models("masked")
    prefix, suffix = np.arange(40, dtype=np.int32) % 4, np.arange(30, dtype=np.int32) % 3
    room = LENGTH - middles.MARKS - 4
    long = infilling.between(model, params, 2, prefix, suffix, 4)
    near = infilling.between(model, params, 2, prefix[-room // 2 :], suffix[: room // 2], 4)
    np.testing.assert_array_equal(long.data, near.data)


def test_what_cannot_be_is_said(models):
    model, params = models("left to right")
    some = np.array([0], np.int32)
    with pytest.raises(UsageError, match=r"train it with data\.middle=0\.5"):
        infilling.between(model, params, 1, some, some, 4)
    with pytest.raises(UsageError, match="leaves no room"):
        infilling.between(models("masked")[0], params, 1, some, some, LENGTH)
    with pytest.raises(UsageError, match="has no such gap"):
        infilling.gaps_in(model.run, 3, LENGTH)
