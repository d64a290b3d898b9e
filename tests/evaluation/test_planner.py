"""One model plans, another draws. Oracles: a planner that writes the true plan, and a drawer that draws whatever is planned."""

import dataclasses
from typing import Any, cast

import numpy as np
import pytest

from genjax.data.shapes import language, plans, scenes
from genjax.data.shapes.prompts import ScenePrompts
from genjax.data.sources import open_source
from genjax.errors import UsageError
from genjax.evaluation import following
from genjax.evaluation import planner as planning
from genjax.evaluation.evaluator import Drawn, Evaluator
from genjax.evaluation.planner import Planner
from genjax.evaluation.trained import Trained
from genjax.training.setup import Run
from tests.evaluation.test_following import Run as Sourced
from tests.helpers import config, fresh_params

S16 = scenes.TIERS["s16"]
ROWS = 40


class Draws(Evaluator):
    """Instead of a model: whatever is planned, each object at the first of its offsets."""

    def __init__(self):
        self.run = cast(Any, Sourced(open_source("shapes:s16/told=plan")))

    def draw(self, params, count, *, given, **options):
        planned, right = plans.objects(S16, given["caption"])
        contents = np.where(planned.shape < scenes.SHAPES, scenes.content(planned.shape, planned.colour, 0), 0)
        assert right.all()
        return Drawn(scenes.image(S16, scenes.Scenes(planned.background, contents)), None, 1, 1)


@dataclasses.dataclass(frozen=True)
class Knows(Planner):
    """Instead of a model: the plan of the held-out scene itself, `turn` rows later."""

    turn: int = 0

    def __call__(self, captions):
        told = self.evaluator.run.source.splits["eval"].pictures.scenes(np.arange(len(captions)))
        return np.roll(plans.told(S16, told), self.turn, axis=0)


def knows(turn):
    source = open_source("shapes_answers:s16/task=plan")
    return Knows(Draws.__new__(Draws), {}, ScenePrompts(S16, False), cast(Any, source.questions), turn), source


def test_a_right_plan_that_is_drawn_follows_its_caption_and_that_of_another_scene_by_chance():
    for turn, right in ((0, True), (1, False)):
        planner, source = knows(turn)
        planner.evaluator.run = cast(Any, Sourced(source))
        found = following.measure(Draws(), {}, ROWS, planner)
        everything = found.rows[following.ALL]
        assert everything.follow.count == ROWS and everything.strict == everything.follow
        assert (everything.follow.value == 1.0) == right
        assert {"relation", "several statements"} <= set(found.rows), "the categories are those of captions"


def run_of(source, objective="next_token", **fields):
    return Run.build(config(objective, data__source=source, **fields))


def test_a_model_plans_for_every_caption_by_its_number(monkeypatch):
    run = run_of("shapes_answers:s16/task=plan", data__eval_batch_size=16)
    drawer = run_of("shapes:s16/told=plan", "noise_prediction", conditioning__text="tokens")
    monkeypatch.setattr(planning, "load", lambda path, overrides: Trained(run, fresh_params(run.objective), 1))
    planner = Planner.load("runs/planner", drawer)
    captions = planner.held_out(5)
    np.testing.assert_array_equal(captions, open_source("shapes:s16").splits["eval"].rows(np.arange(5))["caption"])
    drawn = planner(captions)
    assert drawn.shape == (5, drawer.source.spec.caption_length)
    np.testing.assert_array_equal(planner(captions[:3]), drawn[:3])

    assert (drawn < language.FIRST_CODE).all(), "an untrained model writes codes, too, and no plan has those"
    assert all(plans.Plans(S16, False).decode(plan) for plan in drawn)

    with pytest.raises(UsageError, match=r"told of no plans: train it on shapes:<tier>/told=plan"):
        Planner.load("runs/planner", run_of("shapes:s16", "noise_prediction", conditioning__text="tokens"))
    with pytest.raises(UsageError, match="plans of s16, and the model that draws knows those of s8"):
        Planner.load("runs/planner", run_of("shapes:s8/told=plan", "noise_prediction", conditioning__text="tokens"))
    monkeypatch.setattr(planning, "load", lambda path, overrides: Trained(drawer, {}, 1))
    with pytest.raises(UsageError, match="the model of runs/drawer plans nothing"):
        Planner.load("runs/drawer", drawer)
