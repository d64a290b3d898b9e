"""What may not be compared is refused, and every difference is named."""

import re

import pytest

from genjax.comparison.fairness import Rules, check_fields, check_names, check_quantities, differing, read_waivers
from genjax.errors import UsageError

STRICT = Rules(("train_flops",), (), {}, 0.02)


def test_the_published_mismatched_comparison_is_refused_with_each_of_its_differences():
    """Its two models had 124M and 163M parameters, since one tied its head to its embedding; one was given the first words of a story and a
    repetition penalty; and its losses were an unweighted cross-entropy and a likelihood, printed in one column. (By the names of that setting;
    genjax has no penalty and no fixed prompt. With its own fields: `test_plan.py`.)
    """
    shared = {"model.width": 768, "model.depth": 12, "optimizer.learning_rate": 3e-4}
    autoregressive = shared | {"model.tied_head": True, "sample.prompt": "", "sample.repetition_penalty": 1.0, "loss.weighting": "elbo"}
    diffusion = shared | {"model.tied_head": False, "sample.prompt": "Once upon a time", "sample.repetition_penalty": 1.2, "loss.weighting": "none"}
    arms = {"autoregressive": autoregressive, "diffusion": diffusion}
    with pytest.raises(UsageError) as refused:
        check_fields(arms, STRICT)
    for name in ("model.tied_head", "sample.prompt", "sample.repetition_penalty", "loss.weighting"):
        assert re.search(rf"{re.escape(name)} \(autoregressive .*, diffusion ", str(refused.value))
    assert "model.width" not in str(refused.value)

    counts = {"autoregressive": {"train_flops": 2.4e17, "parameters": 124e6}, "diffusion": {"train_flops": 2.4e17, "parameters": 163e6}}
    with pytest.raises(UsageError, match=r"parameters \(autoregressive 1.24e\+08, diffusion 1.63e\+08\)"):
        check_quantities(counts, STRICT, {})


def arms(**values):
    return {"a": {name: pair[0] for name, pair in values.items()}, "b": {name: pair[1] for name, pair in values.items()}}


def test_what_is_declared_or_waived_may_differ_and_a_group_covers_its_fields():
    fields = {"a": {"optimizer.b1": 0.9, "optimizer.b2": 0.9, "seed": 0}, "b": {"optimizer.b1": 0.8, "optimizer.b2": 0.99, "seed": 0}}
    check_fields(fields, STRICT._replace(varies=("optimizer",)))
    check_fields(fields, STRICT._replace(varies=("optimizer.b1",), waive={"optimizer.b2": "the paper's"}))
    with pytest.raises(UsageError, match=r"does not declare: optimizer.b2 \(a 0.9, b 0.99\)\."):
        check_fields(fields, STRICT._replace(varies=("optimizer.b1",)))
    with pytest.raises(UsageError, match=r"optimizer\.b1"):
        check_fields(fields, STRICT._replace(varies=("optim",)))  # a group is a whole word


def test_lengths_may_differ_where_they_are_what_is_set():
    fields = arms(**{"train.duration": ("100", "200")})
    check_fields(fields, STRICT)
    with pytest.raises(UsageError, match=r"train\.duration"):
        check_fields(fields, STRICT._replace(match=("parameters",)))


@pytest.mark.parametrize("other, fits", [(1.0, True), (1.019, True), (1.021, False), (0.981, True), (0.979, False)])
def test_quantities_are_equal_within_the_tolerance(other, fits):
    if fits:
        check_quantities(arms(parameters=(1.0, other)), STRICT, {})
    else:
        with pytest.raises(UsageError, match="parameters"):
            check_quantities(arms(parameters=(1.0, other)), STRICT, {})


def test_whole_steps_are_allowed_for_and_no_more():
    half = {"a": {"train_flops": 5.0}, "b": {"train_flops": 0.5}}  # of each arm's own step: that of another excuses nothing
    check_quantities(arms(train_flops=(10.0, 10.5)), STRICT, half)
    with pytest.raises(UsageError, match="are to match in train_flops and do not, by more than 2%"):
        check_quantities(arms(train_flops=(10.0, 10.6)), STRICT, half)


def test_what_must_match_is_not_excused_by_being_declared():
    """check_names refuses the contradiction; the check itself is strict too."""
    rules = STRICT._replace(match=("train_flops", "parameters"), varies=("parameters",))
    with pytest.raises(UsageError, match="both to match and to differ"):
        check_names(rules, ["seed"])
    with pytest.raises(UsageError, match="are to match in parameters"):
        check_quantities(arms(parameters=(1.0, 2.0)), rules, {})


@pytest.mark.parametrize("name, says", [("optimizer.learning_rte", "did you mean 'optimizer.learning_rate'"), ("parametres", "'parameters'")])
def test_a_misspelt_declaration_is_refused(name, says):
    with pytest.raises(UsageError, match=says):
        check_names(STRICT._replace(varies=(name,)), ["optimizer.learning_rate"])
    check_names(STRICT._replace(varies=("optimizer", "parameters")), ["optimizer.learning_rate"])


def test_a_waiver_needs_a_reason_which_is_its_status():
    assert read_waivers(["model.width: the published size: 768"]) == {"model.width": "the published size: 768"}
    assert STRICT._replace(waive={"model.width": "so it was"}).status("model.width") == "waived: so it was"
    with pytest.raises(UsageError, match="no reason"):
        read_waivers(["model.width"])


def test_values_of_another_type_differ():
    assert differing(arms(x=(1, 1), y=(0, None), z=("1", 1))) == ["y", "z"]


def test_the_ledger_says_who_was_given_more():
    twice = STRICT._replace(match=("train_flops", "parameters"), budget={"b": 2.0})
    check_quantities(arms(train_flops=(1.0, 2.0), parameters=(1.0, 1.0)), twice, {})
    with pytest.raises(UsageError, match="match in parameters"):
        check_quantities(arms(train_flops=(1.0, 2.0), parameters=(1.0, 2.0)), twice, {})
    assert (twice.matched("train_flops"), twice.matched("parameters"), twice.matched("examples")) == (
        "matched, b with 2 times as much",
        "matched",
        "",
    )
