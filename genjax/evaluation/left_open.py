"""How varied pictures are in what their caption leaves open, beside how varied they should be.

"A heart" leaves open its colour and the background. Which a picture shows is read off its pixels, be its shape exact or not: the background that is
there more often, and the commonest of the objects' colours, if any. H(colour, background | caption) of a model is estimated with Miller's correction,
and the true one is that of the posterior over all scenes, in closed form (`data.shapes.posterior`):

    H(model) - H(posterior)                                                                         (1)

is 0 where a model is as varied as the data, below where it repeats itself, and above where it draws what the data do not have.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from genjax.config import require
from genjax.data.shapes import language, oracle, posterior, scenes
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
    _, kinds = np.unique(_kinds(prompts, _data(prompts, found.scenes)), return_inverse=True)
    p = np.bincount(kinds, found.weights)
    return float(-np.sum(p * np.log2(p)))


def excess_entropy(evaluator: Evaluator, params: Params, each: int) -> np.ndarray:
    """Equation (1) for every shape [8], of `each` pictures."""
    prompts = check(evaluator.run)
    names = scenes.SHAPE_NAMES
    asked = np.stack([prompts.encode(f"a {name}") for name in names for _ in range(each)])
    kinds = _kinds(prompts, evaluator.draw(params, len(asked), given={"caption": asked}).data).reshape(len(names), each)
    return np.array([entropy_bits(row) - true_entropy(prompts, name) for row, name in zip(kinds, names, strict=True)])


def _kinds(prompts: ScenePrompts, data: np.ndarray) -> np.ndarray:
    """int [n], a number for the background and the commonest colour of an object, or none."""
    numbers = scenes.decode(data) if prompts.coded else np.asarray(oracle.nearest(jnp.asarray(data)))
    counts = np.stack([(numbers == number).sum(axis=(1, 2)) for number in range(len(scenes.PALETTE))], axis=1)
    backgrounds = len(scenes.BACKGROUNDS)
    colour = np.where(counts[:, backgrounds:].any(axis=1), 1 + counts[:, backgrounds:].argmax(axis=1), 0)
    return counts[:, :backgrounds].argmax(axis=1) * (len(scenes.PALETTE) - backgrounds + 1) + colour


def _data(prompts: ScenePrompts, drawn: scenes.Scenes) -> np.ndarray:
    """Scenes in the form of the data."""
    return scenes.codes(prompts.tier, drawn) if prompts.coded else scenes.image(prompts.tier, drawn)
