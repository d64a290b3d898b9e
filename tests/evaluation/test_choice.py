"""Choosing the caption of a picture. Oracles: the exact -log p(picture | caption) of s8, and a model that does not listen."""

from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from genjax.data.base import Source
from genjax.data.sources import open_source
from genjax.errors import UsageError
from genjax.evaluation import choice
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.statistics import PerExample
from genjax.training.setup import Run
from tests.helpers import config, random_params


class Told(NamedTuple):
    source: Source
    captioned: bool = True


class Known(Evaluator):
    """Instead of a model: what is known of scenes given captions, or nothing."""

    def __init__(self, deaf: bool):
        self.run, self.deaf = cast(Any, Told(open_source("shapes_codes:s8"))), deaf

    def likelihoods(self, params, examples=None, *, captions=None, **options):
        rows = self.run.source.splits["eval"].rows(np.arange(examples)) | {"caption": captions}
        with np.errstate(divide="ignore", invalid="ignore"):
            nats = np.zeros(examples) if self.deaf else np.nan_to_num(self.run.source.told_nats(rows), nan=np.inf)
        return PerExample(nats, np.ones(examples), np.zeros(examples), {}, "exact", "example")


def test_the_others_are_false_and_the_own_one_has_no_place_of_its_own():
    evaluator = Known(deaf=False)
    told, source = choice.candidates(evaluator, 24, 3), evaluator.run.source
    rows = source.splits["eval"].rows(np.arange(24))
    for number, captions in enumerate(told):
        own = np.arange(24) % 3 == number
        np.testing.assert_array_equal(source.prompts.judge(captions, rows["tokens"]).follow, own)
        np.testing.assert_array_equal((captions == rows["caption"]).all(axis=1), own)
    assert all(len({tuple(caption) for caption in captions}) == 3 for captions in told.swapaxes(0, 1))


def test_who_knows_is_always_right_and_who_does_not_listen_by_chance():
    assert choice.right(Known(deaf=False), {}, 24, 4).all()
    assert choice.right(Known(deaf=True), {}, 24, 4).mean() == 1 / 4


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["next_token", "masked_diffusion"])
def test_a_model_is_asked_with_the_captions_and_with_the_same_noise(objective):
    """The likelihood under the own captions is that of the split, and under others another."""
    run = Run.build(config(objective, data__source="shapes_codes:s8", conditioning__text="tokens", data__eval_batch_size=8))
    evaluator, params = Evaluator(run), random_params(run.objective.init)
    own = run.source.splits["eval"].rows(np.arange(12))["caption"]
    split, mine, others = (evaluator.likelihoods(params, 12, captions=told).nats for told in (None, own, np.roll(own, 1, axis=0)))
    np.testing.assert_array_equal(mine, split)
    assert (others != split).mean() > 0.5


def test_what_cannot_be_chosen_is_said():
    with pytest.raises(UsageError, match="3 held-out examples have too few captions to choose among 4"):
        choice.candidates(Known(deaf=False), 3, 4)
    evaluator = Known(deaf=False)
    evaluator.run = cast(Any, Told(evaluator.run.source, False))
    with pytest.raises(UsageError, match="told of them: set conditioning"):
        choice.candidates(evaluator, 3, 2)
