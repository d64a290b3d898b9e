"""What claims are measured by, on a toy whose samples and likelihoods are known without a network."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest

from genjax.comparison.metrics import Subject, measure, pixel_frechet
from genjax.data.base import ArrayRows, Coded, Source, Verdicts
from genjax.data.shapes import scenes
from genjax.data.sources import open_source
from genjax.errors import UsageError
from genjax.evaluation import following, timing
from genjax.evaluation.evaluator import Evaluator
from genjax.training.parallel import Parallel
from genjax.training.setup import Run
from genjax.types import Cost, Likelihood, Samples
from tests.helpers import IMAGES, config, make_source, random_params


@dataclasses.dataclass(frozen=True)
class Toy:
    """Draws an image of one level, told by the class or by the id; its likelihood falls with the sum of the levels."""

    by: str

    def sample(self, params, request, key):
        level = request[self.by].astype(jnp.int32) % IMAGES.levels
        return Samples(jnp.broadcast_to(level[:, None, None, None], (level.shape[0], *IMAGES.shape)), Cost(nfe=3, sequential_depth=2))

    def likelihood(self, params, batch, key):
        nats = jnp.sum(batch["image"].astype(jnp.float32), axis=(1, 2, 3))
        return Likelihood(nats, jnp.full(nats.shape, IMAGES.num_dims), jnp.zeros_like(nats), {}, "exact")


def subject(by="id", source=None):
    made = config("next_token")
    return Subject(Run(made, source or make_source(IMAGES), Toy(by), Parallel.build(made.parallel, made.data.batch_size, 1)), {}, 2)


def test_samples_that_follow_from_the_class_never_disagree_and_others_do():
    np.testing.assert_array_equal(measure("disagreement", {"pairs": 21}, subject("label")), np.zeros(21))
    np.testing.assert_array_equal(measure("disagreement", {"pairs": 21}, subject("id")), np.ones(21))  # ids 21 apart, five levels


def test_bits_are_of_every_held_out_example():
    found = subject()
    images = found.examples("eval").reshape(IMAGES.eval_size, -1)
    expected = images.sum(axis=1) / IMAGES.num_dims / math.log(2)
    for name in ("bits_per_dim", "bound_per_dim"):
        np.testing.assert_allclose(measure(name, {}, found), expected, rtol=1e-6)


def test_costs_are_those_that_the_samples_tell():
    assert measure("network_evaluations", {}, subject()) == 3 and measure("sequential_depth", {}, subject()) == 2


def test_the_variety_of_images_of_one_level_is_that_of_the_dark_and_the_bright():
    """All images of a level above 0 point the same way; the dark one, a vector of nearly nothing, does too: one effective sample."""
    np.testing.assert_allclose(measure("vendi", {"samples": 20}, subject()), 1.0, atol=1e-6)


def test_codes_are_measured_as_what_they_stand_for():
    """Codes that turn every level round: what is drawn is the negative, and so are the examples."""
    plain, top = subject(), IMAGES.levels - 1
    codes = subject(source=dataclasses.replace(make_source(IMAGES), medium=Coded(make_source(IMAGES), lambda data: top - data)))
    np.testing.assert_array_equal(codes.examples("eval"), top - plain.examples("eval"))
    np.testing.assert_array_equal(codes.decoded(7), top - plain.decoded(7))
    for name in ("pixel_frechet", "near_copies"):  # distances, which are as before
        np.testing.assert_allclose(measure(name, {"samples": 10}, codes), measure(name, {"samples": 10}, plain), rtol=1e-6)


def test_training_examples_that_are_less_likely_than_held_out_ones_are_never_found():
    source = make_source(IMAGES)
    dark = ArrayRows({"image": np.zeros((10, *IMAGES.shape), np.int32), "label": np.zeros(10, np.int32)})
    found = subject(source=Source(IMAGES, {"train": source.splits["train"], "eval": dark}))
    assert measure("membership_auc", {}, found) == 0.0 and measure("membership_tpr", {"fpr": 0.1}, found) == 0.0


def test_the_distance_of_values_to_themselves_is_nothing_and_to_shifted_ones_the_square_of_the_shift():
    values = np.random.default_rng(0).normal(size=(300, 3, 2))
    assert pixel_frechet(values, values) == pytest.approx(0.0, abs=1e-9)
    assert pixel_frechet(values, values + 0.5) == pytest.approx(6 * 0.25, abs=1e-9)


class Scenes(Toy):
    """Draws true scenes of s16, or those of one colour, or any codes."""

    def sample(self, params, request, key):
        tier, count = scenes.TIERS["s16"], len(request["id"])
        drawn = scenes.sample(tier, count)
        codes = scenes.codes(tier, drawn)
        if self.by == "red":
            contents = np.where(drawn.contents > 0, scenes.content(np.int32(3), np.int32(0), np.int32(5)), 0)
            codes = scenes.codes(tier, drawn._replace(contents=contents))
        if self.by == "noise":
            codes = np.random.default_rng(0).integers(scenes.CODES, size=codes.shape)
        return Samples(jnp.asarray(codes), Cost(nfe=1, sequential_depth=1))


@pytest.mark.parametrize(("by", "valid", "low", "high"), [("true", 1.0, 0.0, 0.1), ("red", 1.0, 6 / 7, 6 / 7), ("noise", 0.0, None, None)])
def test_the_oracle_reads_samples(by, valid, low, high):
    made = config("next_token", data__source="shapes_codes:s16")
    found = Subject(Run(made, open_source("shapes_codes:s16"), Scenes(by), Parallel.build(made.parallel, made.data.batch_size, 1)), {}, 1)
    read = measure("valid", {"samples": 400}, found)
    assert len(read) == 400 and (read == valid).all()
    (distance,) = measure("colours", {"samples": 400}, found)
    assert low is None or low - 1e-9 <= distance <= high + 1e-9


SAID = {"a red circle": True, "a heart": False, "no shapes": True, "a circle and no square": True, "a heart but no cross": False, "two hearts": True}


def test_captions_are_counted_by_what_they_say(monkeypatch):
    """Verdicts that are made up: of one statement two of three are followed, of several one of two; "no shapes" is neither."""
    made, source = config("next_token", data__source="shapes_codes:s16"), open_source("shapes_codes:s16")
    assert source.prompts is not None
    captions = [source.prompts.encode(text) for text in SAID]
    asked = np.stack([np.pad(caption, (0, 24 - len(caption))) for caption in captions])
    found = Subject(Run(made, source, Toy("id"), Parallel.build(made.parallel, made.data.batch_size, 1)), {}, 1)

    def judged(evaluator, params, count, planner=None):
        follow = np.array(list(SAID.values()))[:count]
        return {"caption": asked[:count]}, Verdicts(follow, follow, ["none"] * count)

    monkeypatch.setattr(following, "judged", judged)
    np.testing.assert_array_equal(measure("follow", {"samples": 6}, found), list(SAID.values()))
    np.testing.assert_array_equal(measure("strict", {"samples": 6, "several": 1}, found), [True, False])
    assert measure("clauses", {"samples": 6}, found) == pytest.approx(2 / 3 - 1 / 2)
    for name, numbers in (("follow", {"samples": 3, "several": 1}), ("clauses", {"samples": 3})):
        with pytest.raises(UsageError, match="ask for more samples"):
            measure(name, numbers, found)
    with pytest.raises(UsageError, match="valid is not measured of two models together: only follow, strict are"):
        measure("valid", {}, found._replace(planner=object()))
    with pytest.raises(UsageError, match="follow is not measured of what was put into words: only round_trip is"):
        measure("follow", {}, found._replace(describer=object()))
    with pytest.raises(UsageError, match="name the arm that does, --describer=ARM"):
        measure("round_trip", {}, found)


class Repeats(Toy):
    """Draws held-out scenes themselves, or the empty scene."""

    def sample(self, params, request, key):
        rows = open_source("shapes_codes:s16").splits["eval"].rows(np.arange(10_000))["tokens"]
        tokens = rows[np.asarray(request["id"]) + 400] if self.by == "data" else np.broadcast_to(rows[0], (len(request["id"]), *rows[0].shape))
        return Samples(jnp.asarray(tokens), Cost(nfe=1, sequential_depth=1))


@pytest.mark.parametrize(("by", "low", "high"), [("data", 0.4, 0.6), ("one", 0.95, 1.0)])
def test_held_out_scenes_cannot_be_told_from_others_and_one_scene_can(by, low, high, monkeypatch):
    """Guessing 400 times is right in half of them, give or take four standard errors."""
    made = config("next_token", data__source="shapes_codes:s16")
    found = Subject(Run(made, open_source("shapes_codes:s16"), Repeats(by), Parallel.build(made.parallel, made.data.batch_size, 1)), {}, 1)
    monkeypatch.setattr(Evaluator, "draw", lambda self, params, count: self.run.objective.sample(params, {"id": np.arange(count)}, None))
    (told,) = measure("told_apart", {"samples": 200}, found)
    assert low <= told <= high


def test_times_are_of_whole_batches(monkeypatch):
    monkeypatch.setattr(timing, "_SECONDS", 0.0)
    found = timing.sampling(subject().run, {}, 8)
    assert found.batch == 8 and 0 < found.seconds < 5


TOLD = {"objective": "next_token", "source": "shapes_codes:s8", "conditioning__text": "tokens"}
OF_SHAPES = {
    "excess_bits": ({}, TOLD, 64),
    "valid": ({"samples": 24}, TOLD, 24),
    "colours": ({"samples": 24}, TOLD, 1),
    "clauses": ({"samples": 48}, TOLD, 1),
    "told_apart": ({"samples": 24}, TOLD, 1),
    "follow": ({"samples": 24}, TOLD, 24),
    "strict": ({"samples": 24}, TOLD, 24),
    "caption_choice": ({"samples": 24, "captions": 3}, TOLD, 24),
    "leaves_out": ({"samples": 24}, TOLD, 24),
    "hidden_cell": ({"cell": 0, "samples": 48}, TOLD | {"conditioning__text": "none"}, 1),
    "filled_in": ({"cell": 0, "samples": 48}, TOLD | {"conditioning__text": "none"}, 1),
    "answers": ({"samples": 24}, {"objective": "masked_diffusion", "source": "shapes_answers:s8"}, 24),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_SHAPES)
def test_a_metric_of_shapes_is_a_number_an_item_and_twice_the_same(name):
    """What they say is tested where it is measured; here that a model with random parameters is measured at all."""
    numbers, fields, items = OF_SHAPES[name]
    fields = {"data__source": fields["source"], "evaluate__examples": 64} | {key: value for key, value in fields.items() if key != "source"}
    run = Run.build(config(fields.pop("objective"), **fields))
    found = Subject(run, random_params(run.objective.init), 1)
    values = measure(name, numbers, found)
    assert values.shape == (items,) and np.isfinite(values).all()
    np.testing.assert_array_equal(measure(name, numbers, found), values)
    if items == 24:
        assert set(values) <= {0.0, 1.0}
