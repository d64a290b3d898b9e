"""A comparison is read and checked before anything is trained."""

import subprocess
import sys

import numpy as np
import pytest

from genjax.comparison import plan
from genjax.data.sources import open_source
from genjax.errors import UsageError

RECIPE = "configs/compare/digits.py"


def write(folder, arms, **fields):
    """A comparison file with the given arms."""
    lines = [f"    config.{name} = {value!r}" for name, value in {"arms": arms, "reference": next(iter(arms), ""), **fields}.items()]
    path = folder / "comparison.py"
    path.write_text("def get_config(config, variant):\n" + "\n".join(lines) + "\n    return config\n")
    return str(path)


def test_the_digits_comparison_has_two_arms_that_differ_in_what_is_learned():
    loaded = plan.load(RECIPE, {})
    assert [arm.objective for arm in loaded.arms.values()] == ["next_token", "noise_prediction"]
    for path in plan.SHARED:
        group, _, leaf = path.rpartition(".")
        assert len({getattr(getattr(arm, group) if group else arm, leaf) for arm in loaded.arms.values()}) == 1


def test_the_same_examples_may_be_shown_in_two_forms_where_that_is_declared(tmp_path):
    """And form for form they are the same, row by row."""
    loaded = plan.load("configs/compare/shapes.py", {})
    assert {arm.data.source for arm in loaded.arms.values()} == {"shapes:s16", "shapes_codes:s16"}
    for split in ("train", "eval"):
        rows = [open_source(name).splits[split].rows(np.arange(40)) for name in ("shapes:s16", "shapes_codes:s16")]
        np.testing.assert_array_equal(rows[0]["caption"], rows[1]["caption"])
        np.testing.assert_array_equal(rows[0]["codes"], rows[1]["tokens"])
    arms = {"a": "configs/shapes.py:next_token", "b": "configs/shapes.py:noise_prediction --config.data.source=shapes:s32"}
    for varies in ("data.source, objective", "objective"):
        with pytest.raises(UsageError, match="same data in the same order"):
            plan.load(write(tmp_path, arms, varies=varies), {})
    arms["b"] = "configs/shapes.py:noise_prediction"
    with pytest.raises(UsageError, match=r"declare: data\.source"):
        plan.load(write(tmp_path, arms, varies="objective"), {})


def test_what_every_line_sets_to_the_same_is_known(tmp_path):
    lines = ("--config.next_token.top_p=0.9 --config.model.width=24", "--config.model.width=32 --config.next_token.top_p=0.9")
    arms = {name: f"configs/digits.py:next_token {line}" for name, line in zip("ab", lines, strict=True)}
    assert plan.load(write(tmp_path, arms, varies="model.width, parameters"), {}).alike == {"next_token.top_p": "0.9"}
    assert plan.load(write(tmp_path, {"a": arms["a"]}), {}).alike == {}


def test_overrides_hold_for_every_arm_but_not_of_what_is_compared(tmp_path):
    path = write(
        tmp_path, {"a": "configs/digits.py:next_token --config.model.width=24", "b": "configs/digits.py:next_token"}, varies="model.width, parameters"
    )
    assert [arm.model.width for arm in plan.load(path, {}).arms.values()] == [24, 64]
    assert [arm.model.depth for arm in plan.load(path, {"model.depth": "1"}).arms.values()] == [1, 1]
    with pytest.raises(UsageError, match=r"--config\.model\.width: the arms of .* differ in it"):
        plan.load(path, {"model.width": "32"})
    larger = plan.load(path, {}, times={"model.width": 2, "data.batch_size": 4}).arms
    assert [(arm.model.width, arm.data.batch_size) for arm in larger.values()] == [(48, 256), (128, 256)]


def test_a_length_that_is_matched_may_be_given_although_arms_differ_in_it(tmp_path):
    loaded = plan.load("configs/compare/digits.py", {"train.duration": "7 steps"})
    assert {str(arm.train.duration) for arm in loaded.arms.values()} == {"7 steps"}
    arms = {"a": "configs/digits.py:next_token", "b": "configs/digits.py:next_token --config.train.duration='3 steps'"}
    with pytest.raises(UsageError, match=r"arm 'b' sets train\.duration, and .* the train_flops of 'a': leave it out"):
        plan.load(write(tmp_path, arms), {})
    path = write(tmp_path, arms, match="parameters", varies="train.duration, train_flops, examples, supervised_targets")
    with pytest.raises(UsageError, match=r"train\.duration: the arms of .* differ in it"):
        plan.load(path, {"train.duration": "7 steps"})


@pytest.mark.parametrize(
    "arms, fields, says",
    [
        ({}, {}, "no arms"),
        ({"a": "configs/digits.py:next_token"}, {"reference": "b"}, "no arm 'b'"),
        ({"a": "configs/digits.py:next_token", "b": "configs/digits.py:next_token --config.seed=1"}, {}, "same data in the same order"),
        ({"a": "configs/digits.py:next_token", "b": "configs/digits.py:next_token --config.data.batch_size=32"}, {}, "data.batch_size=32"),
        ({"a": "configs/digits.py:next_token width=3"}, {}, "--config.field=value, not 'width=3'"),
        ({"a": "configs/digits.py:next_token --config.next_token.scan='raster"}, {}, "arm 'a': .* is no command line .*No closing quotation"),
        ({"a": ""}, {}, "arm 'a': no config file ''"),
        ({"a": "configs/digits.py:next_token"}, {"varies": "parameters next_token.scan"}, "write commas between names"),
        ({"a": "configs/digits.py:next_tokens"}, {}, "did you mean 'next_token'"),
        ({"a": "configs/digits.py:next_token"}, {"match": "flops"}, "train_flops"),
        ({"a": "configs/digits.py:next_token"}, {"titel": "x"}, "title"),
        ({"a": "configs/digits.py:next_token", "b": "configs/digits.py:next_token --config.model.width=32"}, {}, "does not declare: model.width"),
        ({"a": "configs/digits.py:next_token"}, {"varies": "modle.width"}, "did you mean 'model.width'"),
        ({"a": "configs/digits.py:next_token"}, {"match": "parameters", "varies": "parameters"}, "both to match and to differ"),
        ({"a": "configs/digits.py:next_token"}, {"waive": ["model.width"]}, "no reason"),
        ({"a": "configs/digits.py:next_token"}, {"frontier": {"c": ["next_token.temperature=1"]}}, "frontier of 'c', which is no arm"),
        ({"a": "configs/digits.py:next_token"}, {"budget": {"c": 2.0}}, "budget of 'c', which is no arm"),
        ({"a": "configs/digits.py:next_token"}, {"budget": {"a": 2.0}}, "gives its reference 'a' times its own budget"),
        ({"a": "configs/digits.py:next_token"}, {"budget": {"a": 0.0}}, "gives a no number of times"),
        ({"a": "configs/digits.py:next_token"}, {"budget": {"a": "two"}}, "gives a no number of times"),
        (
            {"a": "configs/digits.py:next_token", "b": "configs/digits.py:next_token"},
            {"budget": {"b": 2.0}, "match": "parameters"},
            "matches nothing that lengths decide",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_sentence(tmp_path, arms, fields, says):
    with pytest.raises(UsageError, match=says):
        plan.load(write(tmp_path, arms, **fields), {})


def test_what_is_told_of_the_same_scenes_may_differ_where_that_is_declared():
    """One model plans, another draws, a third does both: the same scenes row by row, and the same captions where there are captions."""
    loaded = plan.load("configs/compare/planning.py", {})
    assert not loaded.one_form and plan.load(RECIPE, {}).one_form
    names = [loaded.arms[name].data.source for name in ("drawer", "planner", "noise_prediction", "next_token")]
    assert names == ["shapes:s8/told=plan", "shapes_answers:s8/task=plan", "shapes:s8", "shapes_codes:s8"]
    assert [plan.content(name) for name in names] == ["shapes:s8/told=plan", "shapes_answers:s8/task=plan", "shapes:s8", "shapes:s8"]
    for split in ("train", "eval"):
        drawn, planned, alone, coded = (open_source(name).splits[split] for name in names)
        indices = np.arange(40)
        for rows in (planned.pictures, alone, coded):
            np.testing.assert_array_equal(drawn.rows(indices)["codes"], rows.rows(indices).get("codes", rows.rows(indices).get("tokens")))
        layout = open_source(names[1]).questions.layout
        for tokens, caption in zip(planned.rows(indices)["tokens"], alone.rows(indices)["caption"], strict=True):
            np.testing.assert_array_equal(layout.question_of(tokens), caption[caption > 0])


def test_codes_of_the_same_examples_may_stand_beside_them_and_are_worth_other_bits(tmp_path):
    arms = {
        "noise": "configs/digits.py:noise_prediction",
        "codes": "configs/digits.py:next_token --config.data.source=coded:patch=4/codes=32+digits",
    }
    varies = "objective, data.source, model.dropout, optimizer.learning_rate, parameters, trunk_parameters, examples, supervised_targets"
    loaded = plan.load(write(tmp_path, arms, varies=varies), {})
    assert not loaded.one_form and len({plan.content(arm.data.source) for arm in loaded.arms.values()}) == 2
    arms["codes"] = arms["codes"].replace("+digits", "+emoji")
    with pytest.raises(UsageError, match="arms must see the same data"):
        plan.load(write(tmp_path, arms, varies=varies), {})


def test_the_published_mismatch_is_refused_as_a_comparison_with_every_difference_named(tmp_path):
    """One head is the input's table and the other not, one draws by another rule (a temperature for the repetition penalty, which is not here), one
    loss has other weights; then, one side is told what to draw (its class, for the prompt).
    """
    arms = {
        "next token": "configs/digits.py:next_token --config.model.tied_head=true --config.next_token.temperature=0.8",
        "noise": "configs/digits.py:noise_prediction --config.noise_prediction.weighting=edm",
    }
    recipe = "objective, model.dropout, optimizer.learning_rate, parameters, trunk_parameters, examples, supervised_targets"
    with pytest.raises(UsageError) as refused:
        plan.load(write(tmp_path, arms, varies=recipe), {})
    for field in ("model.tied_head", "next_token.temperature", "noise_prediction.weighting"):
        assert field in str(refused.value)
    arms["noise"] += " --config.conditioning.label=false"
    with pytest.raises(UsageError, match=r"'noise' has conditioning\.label=False and arm 'next token' True"):
        plan.load(write(tmp_path, arms, varies=recipe), {})


@pytest.mark.parametrize("name", ["a/b", "", "real", "a" * 65, "nul\0", "-rf\n"])
def test_an_arm_that_is_no_folder_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="names a folder"):
        plan.load(write(tmp_path, {"a": "configs/digits.py:next_token", name: "configs/digits.py:next_token"}), {})


def test_a_waiver_lets_a_field_differ_and_keeps_its_reason(tmp_path):
    arms = {"a": "configs/digits.py:next_token", "b": "configs/digits.py:next_token --config.optimizer.b2=0.95"}
    loaded = plan.load(write(tmp_path, arms, waive=["optimizer.b2: as it was published"]), {})
    assert loaded.rules.status("optimizer.b2") == "waived: as it was published"


def test_seeds_follow_from_the_first_and_can_be_chosen(tmp_path):
    path = write(tmp_path, {"a": "configs/digits.py:next_token"}, seeds=3)
    assert list(plan.load(path, {}).seeds) == [0, 1, 2]
    assert list(plan.load(path, {"seed": "7"}, seeds=2).seeds) == [7, 8]


def test_a_plan_is_checked_without_jax():
    code = f"import sys; from genjax.comparison import plan; plan.load({RECIPE!r}, {{}}); assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
