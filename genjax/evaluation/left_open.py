"""How varied pictures are in what their caption leaves open, beside how varied they should be.

"A heart" leaves open its colour and the background. Of the pictures that are what was asked for, H(colour, background | caption) is estimated with
Miller's correction, and the true one is that of the posterior over all scenes, in closed form (`data.shapes.posterior`):

    H(model) - H(posterior)                                                                         (1)

is 0 where a model is as varied as the data, and below where it repeats itself, whatever else it does wrong.
"""

from __future__ import annotations

import numpy as np

from genjax.config import require
from genjax.data.shapes import language, posterior, scenes
from genjax.data.shapes.captions import Speaker
from genjax.data.shapes.prompts import ScenePrompts
from genjax.evaluation.diversity import entropy_bits
from genjax.evaluation.evaluator import Evaluator
from genjax.training.setup import Run
from genjax.types import Params


def check(run: Run) -> ScenePrompts:
    """How a run is asked for scenes; UsageError where what a caption leaves open is not known exactly."""
    prompts = run.source.prompts
    known = isinstance(prompts, ScenePrompts) and run.captioned and posterior.can_list(prompts.tier)
    require(known, "what captions leave open is known of scenes of one cell: train on shapes:s8 or shapes_codes:s8 with conditioning.text=tokens")
    assert isinstance(prompts, ScenePrompts)
    return prompts


def true_entropy(prompts: ScenePrompts, name: str) -> float:
    """Bits of colour and background given that there is a shape of that name."""
    found = posterior.given_caption(Speaker(prompts.tier), language.parse(f"a {name}"))
    facts = prompts.facts(_data(prompts, found.scenes))
    _, kinds = np.unique(_kinds(facts), return_inverse=True)
    p = np.bincount(kinds, found.weights)
    return float(-np.sum(p * np.log2(p)))


def excess_entropy(evaluator: Evaluator, params: Params, each: int) -> np.ndarray:
    """Equation (1) for every shape [8], of `each` pictures; those that are not what was asked for are left out."""
    prompts = check(evaluator.run)
    names = scenes.SHAPE_NAMES
    asked = np.stack([prompts.encode(f"a {name}") for name in names for _ in range(each)])
    drawn = evaluator.draw(params, len(asked), given={"caption": asked}).data
    right, kinds = prompts.judge(asked, drawn).strict.reshape(len(names), each), _kinds(prompts.facts(drawn)).reshape(len(names), each)
    return np.array(
        [(entropy_bits(kinds[row][right[row]]) if right[row].any() else 0.0) - true_entropy(prompts, name) for row, name in enumerate(names)]
    )


def _kinds(facts) -> np.ndarray:
    """[n], a number for colour and background of the only cell."""
    return np.asarray(facts.background) * (scenes.OBJECT_COLOURS + 1) + np.asarray(facts.colour)[:, 0]


def _data(prompts: ScenePrompts, drawn: scenes.Scenes) -> np.ndarray:
    """Scenes in the form of the data."""
    return scenes.codes(prompts.tier, drawn) if prompts.coded else scenes.image(prompts.tier, drawn)
