"""Plans of scenes. Oracles: the scenes that they are of, all scenes of s8, and captions known to be true of what is planned."""

import math

import numpy as np
import pytest

from genjax.data.shapes import answers, captions, language, plans, scenes
from genjax.data.shapes.plans import Plans
from genjax.data.shapes.scenes import TIERS
from genjax.data.sources import open_source
from genjax.errors import UsageError

S8, S16 = TIERS["s8"], TIERS["s16"]
PLANNED = "shapes_answers:s16/task=plan"


@pytest.mark.parametrize("tier", TIERS.values(), ids=lambda tier: tier.name)
def test_a_plan_says_what_is_in_every_cell_and_where(tier):
    drawn = scenes.sample(tier, 300)
    told = plans.told(tier, drawn)
    found, right = plans.objects(tier, told)
    assert right.all() and told.shape == (300, plans.length(tier)) and (told != 0).sum(axis=1).max() == tier.cells + tier.max_count + 3
    for mine, known in zip(found, captions.objects(drawn), strict=True):
        np.testing.assert_array_equal(mine, known)


@pytest.mark.parametrize("name", ["shapes:s24/dense/told=plan", "shapes_answers:s24/dense/task=plan"])
def test_there_is_room_for_one_object_more(name):
    source = open_source(name)
    rows = source.splits["eval"].rows(np.arange(20))
    width = source.spec.caption_length or source.spec.shape[0]
    assert rows["caption" if "caption" in rows else "tokens"].shape == (20, width)
    if source.questions is not None:
        assert source.questions.judge(rows, answers.said_in(rows))["follows"][0].all()
        assert (rows["loss_mask"].sum(axis=1) > [len(said) for said in answers.said_in(rows)]).all(), "the end is learned, too"


def test_as_text_it_is_read_again():
    prompts, text = Plans(S16, coded=False), "red circle nothing nothing blue heart on black."
    plan = prompts.encode(text)
    assert prompts.decode(plan) == text and prompts.category(plan) == "2 objects"
    np.testing.assert_array_equal(prompts.encode("Red circle, nothing, nothing, blue heart on black"), plan)
    for wrong in (
        "red circle on black",
        "red circle nothing nothing nothing",
        "red nothing nothing nothing on black",
        "red circle " * 4 + "nothing on black",
    ):
        with pytest.raises(UsageError, match=r"is no plan of s16: for each cell of the 4"):
            prompts.encode(wrong)
    with pytest.raises(UsageError, match=r"there is no word 'cirle'.*did you mean 'circle'"):
        prompts.encode("red cirle nothing nothing nothing on black")


@pytest.mark.parametrize("name", ["shapes:s16/told=plan", "shapes_codes:s16/told=plan"])
def test_scenes_follow_their_own_plans_and_not_those_of_others(name):
    source = open_source(name)
    rows = source.splits["eval"].rows(np.arange(200))
    own, others = (source.prompts.judge(rows["caption"], np.roll(rows[source.spec.key], turn, axis=0)) for turn in (0, 1))
    assert own.strict.all() and set(own.error) == {"none"}
    assert others.follow.mean() < 0.05 and {"background", "wrong shape"} <= set(others.error)
    red, blue = (language.ID_OF[name] for name in ("red", "blue"))
    changed = np.where(rows["caption"] == red, blue, rows["caption"])
    told = (changed != rows["caption"]).any(axis=1)
    assert {error for error, wrong in zip(source.prompts.judge(changed, rows[source.spec.key]).error, told, strict=True) if wrong} == {"wrong colour"}


def test_what_is_left_open_is_where_in_its_cell_an_object_lies():
    """On s8 by listing: scenes of one plan are equally likely, and as many as equation (1) says."""
    every = scenes.enumerate_all(S8)
    told = plans.told(S8, every)
    alike = (told[:, None] == told[None]).all(axis=-1).sum(axis=1)
    nats = open_source("shapes:s8/told=plan").told_nats({"caption": told})
    np.testing.assert_allclose(np.exp(nats), alike)


def test_a_planner_is_asked_with_a_caption_and_its_plans_are_right_if_the_caption_is_true_of_them():
    source = open_source(PLANNED)
    split, rows = source.splits["eval"], source.splits["eval"].rows(np.arange(150))
    drawn = split.pictures.scenes(np.arange(150))
    said = answers.said_in(rows)
    planned, right = plans.objects(S16, np.stack([np.pad(words, (0, plans.length(S16) - len(words))) for words in said]))
    assert right.all()
    np.testing.assert_array_equal(planned.shape, captions.objects(drawn).shape)
    told = open_source("shapes:s16").splits["eval"].rows(np.arange(150))["caption"]
    for row, tokens in enumerate(rows["tokens"]):
        np.testing.assert_array_equal(split.layout.question_of(tokens), told[row][told[row] != language.PAD])
    judge = lambda given: source.questions.judge(rows, given)["follows"]
    assert judge(said)[0].all()
    assert not judge([np.zeros(0, int)] * 150)[0].any(), "what is no plan follows nothing"
    others = judge(said[1:] + said[:1])
    assert 0.1 < others[0].mean() < 0.6 and others[1].sum() == 150
    assert {kind for (kind,) in source.questions.groups(rows)} >= {"several statements", "negation", "relation"}


def test_it_looks_at_no_picture():
    source = open_source(PLANNED)
    row = source.questions.ask(None, "a red circle")
    assert row["tokens"].shape == (1, *source.spec.shape)
    assert source.questions.decode(source.splits["eval"].layout.question_of(row["tokens"][0])) == "a red circle."
    with pytest.raises(UsageError, match="looks at no picture"):
        source.questions.ask(np.zeros((16, 16, 3), np.uint8), "a red circle")
    with pytest.raises(UsageError, match="speaks of pictures: give --image"):
        open_source("shapes_answers:s16").questions.ask(None, "how many hearts")
    assert source.exact_nats is None and math.isfinite(
        open_source("shapes:s16/told=plan").told_nats({"caption": plans.told(S16, scenes.sample(S16, 2))})[0]
    )
