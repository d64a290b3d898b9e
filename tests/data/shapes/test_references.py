"""References: the same objects, elsewhere. Oracles: enumeration of all scenes with given objects, and the scenes themselves."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from genjax.data.shapes import counter, oracle, references, scenes
from genjax.data.shapes.references import References
from genjax.data.shapes.scenes import TIERS, Scenes
from genjax.data.sources import open_source
from genjax.errors import UsageError

S8, S16 = TIERS["s8"], TIERS["s16"]


def states(count, seed=0):
    return counter.fold(counter.start(seed), np.arange(count))


def shown(drawn):
    return references.objects(oracle.facts(drawn))


def test_a_reference_shows_the_same_objects_in_other_places():
    drawn = scenes.sample(S16, 500)
    reference = references.draw(S16, drawn, states(500))
    assert shown(reference) == shown(drawn)
    same = np.asarray(oracle.same(oracle.facts(reference), oracle.facts(drawn)))
    assert 0 < same[drawn.k == 0].mean() < 1, "an empty scene has two pictures"
    assert same[drawn.k == 4].mean() < 0.05


@pytest.mark.parametrize("contents", [(1, 0, 0, 0), (1, 9, 0, 0), (1, 2, 0, 0), (1, 3, 9, 17), (0, 0, 0, 0)])
def test_a_scene_is_any_of_those_with_the_objects_of_its_reference(contents):
    """Contents that differ by less than 4 are one object at several offsets, (1, 2) for instance: two equal objects."""
    offsets = [range(each - (each - 1) % 4, each - (each - 1) % 4 + 4) if each else (0,) for each in contents]
    every = {(b, *order) for b in range(2) for moved in itertools.product(*offsets) for order in itertools.permutations(moved)}
    one = Scenes(np.zeros(1, int), np.array([contents]))
    assert references.bits(S16, shown(one))[0] == pytest.approx(math.log2(len(every)))
    many = references.draw(S16, Scenes(np.zeros(30_000, int), np.tile(one.contents, (30_000, 1))), states(30_000))
    counts = Counter((b, *row) for b, row in zip(many.background.tolist(), many.contents.tolist(), strict=True))
    assert set(counts) <= every
    seen = np.array([counts[scene] for scene in every])
    expected = 30_000 / len(every)
    chi_square = np.sum((seen - expected) ** 2) / expected
    assert abs(chi_square - (len(every) - 1)) < 5 * math.sqrt(2 * len(every)), "all equally likely"


@pytest.mark.parametrize("name", [pytest.param("shapes:s16/told=reference", marks=pytest.mark.slow), "shapes_codes:s16/told=reference"])
def test_scenes_follow_their_own_references_and_not_those_of_others(name):
    source = open_source(name)
    rows = source.splits["eval"].rows(np.arange(200))
    assert (source.spec.words, source.spec.caption_length) == (206, 64)
    assert (rows["caption"] > 0).all()
    verdicts = source.prompts.judge(rows["caption"], rows[source.spec.key])
    assert verdicts.strict.all()
    assert set(verdicts.error) == {"none"}
    others = source.prompts.judge(rows["caption"], np.roll(rows[source.spec.key], 1, axis=0))
    assert others.follow.mean() < 0.1  # 1/25 of them are both empty
    assert {"missing", "extra", "another object"} <= set(others.error)
    assert {source.prompts.category(caption) for caption in rows["caption"]} == {"0 objects", "1 object", "2 objects", "3 objects", "4 objects"}


def test_what_a_scene_is_worth_given_its_reference_is_less_than_alone():
    """By the information that the reference has: shape and colour of every object and their number."""
    source = open_source("shapes:s16/told=reference")
    rows = source.splits["eval"].rows(np.arange(500))
    told, alone = source.told_nats(rows) / math.log(2), source.exact_nats(rows) / math.log(2)
    many = scenes.objects_shown(S16, rows["codes"])
    most = math.log2(5) + many * math.log2(56)  # less log2 of the orders in which distinct objects are one multiset
    assert (alone - told <= most + 1e-9).all()
    np.testing.assert_allclose((alone - told)[many <= 1], most[many <= 1])


def test_a_picture_on_the_disk_is_a_reference(tmp_path):
    drawn = scenes.sample(S16, 3)
    prompts = References(S16, coded=False)
    Image.fromarray(scenes.image(S16, drawn)[2]).save(tmp_path / "x.png")
    caption = prompts.encode(str(tmp_path / "x.png"))
    np.testing.assert_array_equal(caption, references.told(S16, drawn)[2])
    assert prompts.decode(caption).startswith("a picture of ")
    assert prompts.category(caption) == f"{drawn.k[2]} object" + "s" * int(drawn.k[2] != 1)


def test_what_is_no_reference_is_refused_with_a_sentence(tmp_path):
    prompts = References(S16, coded=False)
    with pytest.raises(UsageError, match="no picture that can be read"):
        prompts.encode(str(tmp_path / "absent.png"))
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "small.png")
    with pytest.raises(UsageError, match="has 8x8 pixels: a scene of s16 has 16x16"):
        prompts.encode(str(tmp_path / "small.png"))
    noise = scenes.PALETTE[np.random.default_rng(0).integers(0, len(scenes.PALETTE), (16, 16))]
    Image.fromarray(noise).save(tmp_path / "noise.png")
    with pytest.raises(UsageError, match="which no scene does"):
        prompts.encode(str(tmp_path / "noise.png"))
    with pytest.raises(UsageError, match=r"told is caption, reference, plan, not 'refernce'.*did you mean"):
        open_source("shapes:s16/told=refernce")
    with pytest.raises(UsageError, match="a reference makes no statements"):
        open_source("shapes:s16/neg/told=reference")
