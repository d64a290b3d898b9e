"""shapes as a data set: rows by index, two views of the same scenes, splits that hold out what they say."""

import math

import numpy as np
import pytest

from genjax.data.loader import train_batches
from genjax.data.shapes import captions, language, oracle, scenes, source, splits
from genjax.data.shapes.scenes import TIERS
from genjax.data.sources import open_source
from genjax.errors import UsageError

S16 = TIERS["s16"]


def rows(name, split, count=200):
    return open_source(name).splits[split].rows(np.arange(count))


def said(batch):
    return [language.parse(language.to_text(row)) for row in batch["caption"]]


def test_specs():
    pictures, codes = open_source("shapes:s16").spec, open_source("shapes_codes:s16").spec
    assert (pictures.key, pictures.shape, pictures.levels, pictures.num_classes) == ("image", (16, 16, 3), 256, 0)
    assert (codes.key, codes.shape, codes.levels, codes.num_classes) == ("tokens", (8, 8), 205, 0)
    assert (pictures.train_size, pictures.eval_size) == (codes.train_size, codes.eval_size) == (2**20, 4096)


@pytest.mark.parametrize("split", ["train", "eval"])
def test_pictures_codes_and_captions_are_of_one_scene(split):
    pictures, codes = rows("shapes:s16", split), rows("shapes_codes:s16", split)
    assert {key: (value.dtype, value.shape[1:]) for key, value in pictures.items()} == {
        "image": (np.uint8, (16, 16, 3)),
        "codes": (np.int32, (8, 8)),
        "caption": (np.int32, (24,)),
    }
    assert set(codes) == {"tokens", "caption"}
    np.testing.assert_array_equal(codes["tokens"], pictures["codes"])
    np.testing.assert_array_equal(codes["caption"], pictures["caption"])
    np.testing.assert_array_equal(scenes.PALETTE[scenes.decode(pictures["codes"])], pictures["image"])
    found = oracle.read(S16, pictures["image"])
    assert bool(found.valid.all())
    assert bool(captions.follows(S16, captions.ask(said(pictures)), captions.Objects(found.shape, found.colour, found.background)).all())


def test_a_row_does_not_depend_on_the_others():
    split = open_source("shapes:s16").splits["train"]
    whole, part = split.rows(np.arange(1000, 1100)), split.rows(np.array([1099, 1005, 1005]))
    for key in whole:
        np.testing.assert_array_equal(part[key], whole[key][[99, 5, 5]])


def test_the_loader_reads_it():
    batches = train_batches(open_source("shapes_codes:s8"), 8, 0)
    batch = next(batches)
    assert batch["tokens"].shape == (8, 4, 4) and batch["caption"].shape == (8, 24)
    batches.close()


@pytest.mark.parametrize("name", ["comp1", "comp2"])
def test_train_never_shows_and_eval_always_shows_the_held_out_combination(name):
    for split, expected in (("train", False), ("eval", True)):
        drawn = open_source(f"shapes:s16/{name}").splits[split].scenes(np.arange(400))
        assert (splits.HELD_OUT[name](drawn) == expected).all()


@pytest.mark.parametrize("name, tier", [("neg", "s16"), ("scope", "s16"), ("rel", "s16")])
def test_train_never_makes_and_eval_always_makes_the_held_out_statement(name, tier):
    for split, expected in (("train", False), ("eval", True)):
        made = said(rows(f"shapes:{tier}/{name}", split, 60))
        assert [bool(captions.HELD_OUT[name](*np.array(caption.clauses).T).any()) for caption in made] == [expected] * 60


def test_len_asks_for_four_clauses_and_dense_for_one_object_more():
    assert {len(caption.clauses) for caption in said(rows("shapes:s16/len", "eval"))} == {4}
    assert {len(caption.clauses) for caption in said(rows("shapes:s16/len", "train"))} == {1, 2, 3}
    assert set(open_source("shapes:s24/dense").splits["eval"].scenes(np.arange(50)).k) == {7}


def test_val_and_test_are_other_scenes():
    ids = [set(splits.scene_id(open_source(name).splits["eval"].scenes(np.arange(300)))) for name in ("shapes:s16", "shapes:s16/test")]
    empty = set(splits.scene_id(scenes.Scenes(np.array([0, 1]), np.zeros((2, 4), int))))
    assert not (ids[0] & ids[1]) - empty


def test_the_weight_of_negations_can_be_set():
    kinds = {clause[0] for caption in said(rows("shapes:s16/p_neg=0", "train")) for clause in caption.clauses if clause[2] != language.NO_SHAPES}
    assert not kinds & set(language.NEGATIVE)


@pytest.mark.parametrize(
    "argument, complaint",
    [
        ("", "the tiers are s8, s16, s24, s32"),
        ("s61", "did you mean 's16'"),
        ("s16/comp3", "did you mean 'comp[12]'"),
        ("s16/comp1/comp2", "after the tier come one of"),
        ("s16/p_neg=2", "p_neg is a number from 0 to 1"),
        ("s16/p_neg=0/p_neg=0.1", "p_neg is there twice"),
        ("s16/told=plan/told=caption", "told is there twice"),
        ("s16/", "after the tier come one of"),
        ("s8/comp2", "too few for 'comp2'"),
        ("s16/dense", "too few for 'dense'"),
    ],
)
def test_what_cannot_be_opened_is_refused(argument, complaint):
    with pytest.raises(UsageError, match=complaint):
        source.open_shapes(argument)


def test_captions_alone_are_those_of_the_same_scenes_and_are_learned_up_to_their_end():
    alone, told = rows("shapes_captions:s16", "eval"), rows("shapes:s16", "eval")
    np.testing.assert_array_equal(alone["tokens"], told["caption"])
    words = (told["caption"] != language.PAD).sum(axis=1)
    np.testing.assert_array_equal(alone["num_units"], np.minimum(words + 1, language.LENGTH))
    np.testing.assert_array_equal(alone["loss_mask"], np.arange(language.LENGTH) < alone["num_units"][:, None])


def test_on_s8_scenes_are_worth_what_bayes_says_given_any_caption_and_both_together_their_sum():
    """The weights of the scenes of one caption add up to one; a caption and the scene that it leaves are worth both."""
    opened, every = open_source("shapes:s8"), scenes.enumerate_all(TIERS["s8"])
    codes, batch = scenes.codes(TIERS["s8"], every), rows("shapes:s8", "eval", 40)
    for caption in batch["caption"][:6]:
        with np.errstate(divide="ignore"):
            told = opened.told_nats({"codes": codes, "caption": np.tile(caption, (len(codes), 1))})
        assert np.exp(-told).sum() == pytest.approx(1, abs=1e-9)
    both = opened.told_nats(batch) + open_source("shapes_captions:s8").exact_nats({"tokens": batch["caption"]})
    np.testing.assert_allclose(opened.joint_nats(batch), both, rtol=1e-12)
    np.testing.assert_allclose(opened.told_nats(batch) + opened.caption_nats(batch), both, rtol=1e-12)


def test_a_scene_and_its_caption_together_are_worth_the_caption_more_than_the_scene():
    """An empty scene can be told in two ways, each as likely."""
    opened, batch = open_source("shapes_codes:s16"), rows("shapes_codes:s16", "eval")
    more = (opened.joint_nats(batch) - opened.exact_nats(batch)) / math.log(2)
    empty = scenes.objects_shown(S16, batch["tokens"]) == 0
    assert empty.any()
    np.testing.assert_allclose(more[empty], 1)
    assert (more[~empty] > 2).all()


def test_what_is_not_known_is_not_said():
    """On s16 scenes cannot all be listed; with something held out, eval is not as all scenes are."""
    assert open_source("shapes:s16").told_nats is None and open_source("shapes_captions:s16").exact_nats is None
    partly = open_source("shapes:s16/neg")
    assert (partly.exact_nats, partly.told_nats, partly.joint_nats) == (None, None, None)


def test_codes_stand_for_the_pixels_of_their_patch():
    pictures, codes = open_source("shapes:s16").splits["eval"].rows(np.arange(8))["image"], open_source("shapes_codes:s16")
    points = np.array(codes.spec.book.points, np.uint8).reshape(-1, 2, 2, 3)
    patches = points[codes.splits["eval"].rows(np.arange(8))["tokens"]]  # [8, 8, 8, 2, 2, 3]
    np.testing.assert_array_equal(patches.swapaxes(2, 3).reshape(pictures.shape), pictures)
    assert codes.spec.book.levels == 256 and len(points) == codes.spec.levels
