"""Records of evaluate.py side by side. Oracle: tables written out by hand from records that were made up."""

import json

import pytest

from genjax.comparison import measured, tables

PROTOCOL = {"seeds": [0], "command": "cmd", "date": "2026-01-02T03:04", "hardware": "h", "versions": {"jax": "1"}}


def share(value, count=100):
    return {"value": value, "low": value / 2, "high": (1 + value) / 2, "count": count}


def following(value):
    row = {"follow": share(value), "strict": share(value / 2), "by_chance": share(0.125)}
    return {"following": {"rows": {"all": row}, "errors": {}}}


def test_every_form():
    assert measured.following({"a": following(0.5), "b": following(0.25)}) == [
        "| prompts | a | b | by chance | count |",
        "|---|---|---|---|---|",
        "| all | 50.0 % [25.0, 75.0] (25.0 %) | 25.0 % [12.5, 62.5] (12.5 %) | 12.5 % | 100 |",
    ]
    asked = {"all": {"model": {"right": share(0.75)}, "commonest": {"right": share(0.375)}}}
    assert measured.questions({"a": {"questions": asked}})[2:] == ["| all | 75.0 % [37.5, 87.5] | 37.5 % | 100 |"]
    forbidden = {"a shape": {"shown": share(0.125), "valid": share(0.75), "neutral": 0.25, "occupied": 0.5, "efficacy": 0.5}}
    assert measured.negation({"a": {"negation": forbidden}})[2:] == ["| a shape | 12.5 % [6.2, 56.2], +0.50 (75.0 %) | 25.0 % | 50.0 % |"]
    error = lambda value: {"value": value, "stderr": 0.25}
    levels = [{"low": low, "high": high, "ideal": error(1.5), "above": error(2.5)} for low, high in ((-1.0, 2.0), (2.0, 5.0), (-1.0, 5.0))]
    assert measured.noise_levels({"a": {"noise_levels": levels}})[2:] == [
        "| -1 to 2 | 1.50 | 2.50 ± 0.25 |",
        "| 2 to 5 | 1.50 | 2.50 ± 0.25 |",
        "| all | 1.50 | 2.50 ± 0.25 |",
    ]
    hidden = {"bits": {"shape": 0.5}, "exact": {"shape": 0.25}, "valid": share(0.5), "kept": share(1.0)}
    assert measured.hidden_cell({"a": {"hidden_cell": hidden}})[2] == "| shape | 0.500 | 0.250 |"
    bits = {"excess": [1.5, 0.25], "kind": "upper_bound"}
    assert measured.excess({"a": {"bits_per_dim": bits, "step": 2000}})[2] == "| a | ≤ 1.500 ± 0.250 | upper bound | 2,000 |"
    scored = lambda value: {"bleu": value, "chrf": 2 * value, "exact_match": 1.0}
    answered = {
        "bits_per_byte": {"value": 1.5, "stderr": 0.25, "kind": "exact"},
        "answers": {"scores": {"the model": scored(8), "copied": scored(2)}},
    }
    assert measured.answers({"a": answered, "b": answered})[2:] == [
        "| a | 8.00 | 16.00 | 1.0 | 1.500 ± 0.250 |",
        "| b | 8.00 | 16.00 | 1.0 | 1.500 ± 0.250 |",
        "| copied | 2.00 | 4.00 | 1.0 |  |",
    ]
    numbers = {"final_number": 12.5, "exact_match": 2.0, "rouge_1": 3.0, "rouge_2": 4.0, "rouge_l": 5.0}
    alone = {"bits_per_byte": answered["bits_per_byte"], "answers": {"scores": {"the model": numbers}}}
    assert measured.reasoning({"a": alone})[2:] == ["| a | 12.5 | 2.0 | 1.500 ± 0.250 |"]
    assert measured.summaries({"a": alone})[2:] == ["| a | 3.00 | 4.00 | 5.00 | 2.0 | 1.500 ± 0.250 |"]
    bound = {"value": 2.0, "stderr": 0.125, "kind": "upper_bound"}
    filled = {"gap": 8, "bits_per_byte": bound, "exact_match": {"value": 0.5, "low": 0.25, "high": 0.75, "count": 9}}
    both_ways = filled | {"bits_per_byte_before": answered["bits_per_byte"], "bits_of_end": 5.25}
    assert measured.infilling({"a": {"infilling": filled}, "b": {"infilling": both_ways}})[2:] == [
        "| a | ≤ 2.000 ± 0.125 |  |  | 50.0 % [25.0, 75.0] | 9 of 8 tokens |",
        "| b | ≤ 2.000 ± 0.125 | 1.500 ± 0.250 | 5.25 | 50.0 % [25.0, 75.0] | 9 of 8 tokens |",
    ]
    both = {"excess": [3.5, 0.5], "kind": "upper_bound", "excess_terms": {"words": [0.5, 0.25], "picture": [3.0, 0.25]}}
    alone = {"excess": [0.25, 0.125], "kind": "exact", "excess_terms": {}}
    records = {name: {"bits_per_dim": bits, "step": 9} for name, bits in (("both", both), ("words", alone), ("noise", bits | {"excess_terms": {}}))}
    assert measured.halves(records)[2:] == [
        "| both | 0.500 ± 0.250 | ≤ 3.000 ± 0.250 | ≤ 3.500 ± 0.500 | 9 |",
        "| words | 0.250 ± 0.125 |  |  | 9 |",
        "| noise |  | ≤ 1.500 ± 0.250 |  | 9 |",
    ]


def test_a_folder_is_a_table_with_the_protocol_of_each(tmp_path):
    folder = tmp_path / "results" / "text"
    folder.mkdir(parents=True)
    for name, value in (("b", 0.25), ("a", 0.5)):
        (folder / f"{name}.json").write_text(json.dumps(following(value) | PROTOCOL))
    text = tables.rewrite("before\n<!-- results/text/ as following -->\nold\n<!-- end -->\nafter", tmp_path)
    assert "| prompts | a | b | by chance | count |" in text and "old" not in text
    assert "- a: `cmd`, 2026-01-02, h, jax 1, seed 0\n- b: `cmd`" in text
    assert tables.rewrite(text, tmp_path) == text


def test_a_group_that_one_has_not_measured_is_left_empty():
    more = following(0.5)
    more["following"]["rows"]["negation"] = more["following"]["rows"]["all"]
    rows = measured.following({"a": following(0.25), "b": more})
    assert rows[-1] == "| negation |  | 50.0 % [25.0, 75.0] (25.0 %) | 12.5 % | 100 |"
    assert measured.following({"a": following(0.25), "of words": {"bits_per_word": {}}, "b": more}) == rows, "nor is a model that it is not of"


@pytest.mark.parametrize("form", measured.FORMS)
def test_no_form_has_the_name_of_another_kind_of_table(form):
    assert form == "excess" or form not in tables.FORMS
