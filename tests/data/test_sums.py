"""Word problems that are made up: their arithmetic is worked out again, and no calculation is in both splits."""

import re

import pytest

from genjax.data.sums import COUNT, LARGEST, read_sums
from genjax.errors import UsageError
from genjax.evaluation.answers import final_number


@pytest.fixture(scope="module")
def problems():
    return read_sums("")


def numbers(text):
    return [int(number) for number in re.findall(r"\d+", text)]


def steps(answer):
    return re.findall(r"<<(\d+)([*+-])(\d+)=(\d+)>>(\d+)", answer)


def test_every_answer_calculates_with_the_numbers_of_its_question(problems):
    apply = {"*": int.__mul__, "+": int.__add__, "-": int.__sub__}
    for split in problems:
        for ((question, answer),) in split:
            found, total = steps(answer), None
            for a, sign, b, result, repeated in found:
                assert apply[sign](int(a), int(b)) == int(result) == int(repeated) and 1 <= int(result) <= LARGEST
                assert total in (None, a), "a step goes on from the one before"
                total = result
            assert final_number(answer) == total
            assert numbers(question) == [int(found[0][0]), *(int(step[2]) for step in found)]
            assert ["more" in sentence for sentence in question.split(". ")[1:-1]] == [step[1] == "+" for step in found[1:]]


def test_no_calculation_is_in_both_splits(problems):
    told = [{tuple(step[:3] for step in steps(answer)) for ((_, answer),) in split} for split in problems]
    assert not told[0] & told[1]
    assert len(problems.train) + len(problems.eval) == COUNT and 0.08 < len(problems.eval) / COUNT < 0.12


def test_the_problems_are_always_the_same(problems):
    assert read_sums("") == problems


def test_they_take_no_argument():
    with pytest.raises(UsageError, match="takes no argument"):
        read_sums("3")
