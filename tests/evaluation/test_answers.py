"""Scores of answers against published values, baselines by hand, and a model that has learnt a rule."""

import dataclasses
import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from genjax.data.base import Turn
from genjax.data.sources import TextFormat, open_source
from genjax.errors import UsageError
from genjax.evaluation import answers
from genjax.training.parallel import Parallel
from genjax.training.setup import Run
from genjax.types import Cost, Samples
from tests.helpers import config


@dataclasses.dataclass(frozen=True)
class Echo:
    """Draws, into what is not given, the first byte of the row, ends, and again; of the row alone."""

    generates = True

    def sample(self, params, request, key):
        place = jnp.cumsum(~request["mask"], axis=1)
        said = jnp.where(place == 2, 256, request["tokens"][:, :1])
        return Samples(jnp.where(request["mask"], request["tokens"], said), Cost(nfe=4, sequential_depth=2))


@pytest.fixture
def echo(tmp_path):
    (tmp_path / "a.tsv").write_text("ab\tcd\nc\td")
    source = open_source(f"pairs:{tmp_path / 'a.tsv'}", text=TextFormat(length=8, held_out=str(tmp_path / "a.tsv"), answer_room=3))
    made = config("masked_diffusion", data__length=8)
    return Run(made, source, Echo(), Parallel.build(made.parallel, made.data.batch_size, 1))


def test_an_answer_that_is_drawn_at_once_stands_behind_its_prompt_up_to_the_first_end(echo):
    found = answers.Answers(echo).completed({}, [np.array([*b"xyz", 257]), np.array([65, 257])])
    assert [row.tolist() for row in found.tokens] == [[ord("x")], [65]]
    assert (found.nfe, found.sequential_depth) == (4, 2)
    assert [*answers.Answers(echo).stream({}, np.array([65, 257]), 0)] == ["A"]
    np.testing.assert_array_equal(answers.draw(echo, {}, 2, "q").data, [[ord("q")]] * 2)


def test_a_prompt_that_leaves_no_room_is_refused(echo):
    with pytest.raises(UsageError, match=r"a prompt of 6 tokens and the 3 of its answer do not fit into a row of data\.length=8"):
        answers.Answers(echo)({}, [np.arange(6)])
    no_room = dataclasses.replace(echo, source=dataclasses.replace(echo.source, answer_room=None))
    assert not answers.can(no_room)
    with pytest.raises(UsageError, match=r"train it with data\.answer_room"):
        answers.Answers(no_room)


HELLO = "the cat is on the mat"


def test_scores_of_the_answer_itself_are_100_and_of_another_alphabet_0():
    assert answers.score([HELLO, "a b c d e"], [HELLO, "a b c d e"]) == pytest.approx((100,) * 6 + (None,))
    assert answers.score(["zzz qqq"], [HELLO]) == pytest.approx((0,) * 6 + (None,))


def test_bleu_is_the_geometric_mean_of_its_precisions_with_the_brevity_penalty():
    """6 words of 7 with one wrong in the middle: precisions 6/7, 4/6, 3/5, 2/4 of 7 words against 7."""
    given, expected = "the cat is on a mat today", "the cat is on the mat today"
    bleu = 100 * np.exp(np.mean(np.log([6 / 7, 4 / 6, 2 / 5, 1 / 4])))
    assert answers.score([given], [expected]).bleu == pytest.approx(bleu)
    short = 100 * np.exp(1 - 7 / 5)  # the first five words are right, and two are missing
    assert answers.score(["the cat is on the"], [expected]).bleu == pytest.approx(short)


def test_exact_match_is_a_share_and_ignores_blanks_around():
    assert answers.score([" 42 ", "7", "no"], ["42", "8", "no"]).exact_match == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("2+2=<<2+2=4>>4\n#### 4", "4"),
        ("#### 1,234", "1234"),
        ("#### -3.5 apples", "-3.5"),
        ("#### 5\n#### 6", "5"),
        ("####4", None),
        ("#### $4", None),
        ("it is 4", None),
    ],
)
def test_the_final_number_is_what_gsm8ks_own_expression_finds(answer, number):
    r"""`#### (\-?[0-9\.\,]+)`, whose first match it takes and strips of commas."""
    assert answers.final_number(answer) == number


def test_final_numbers_are_counted_where_every_answer_has_one():
    expected = ["a\n#### 1,000", "b\n#### 2", "#### 3", "#### 4"]
    given = ["another way\n#### 1000", "b\n#### 2.0", "3", "#### 4"]
    assert answers.score(given, expected).final_number == 50, "2.0 is not 2 as it is written"
    assert answers.score(given, [*expected[:3], "4"]).final_number is None
    assert "final_number" not in answers.score(["a"], ["b"]).known


def test_rouge_of_the_sentences_that_it_was_proposed_with():
    """Lin (2004), section 3: what ROUGE-L tells apart and pairs of words do not; of equally long sentences, precision, recall and F are one."""
    expected = "Police killed the gunman."
    kill, order, both = (answers.rouge(given, expected) for given in ("police kill the gunman", "the gunman kill police", "the gunman police killed"))
    assert [pair[1] for pair in (kill, order)] == [pytest.approx(1 / 3)] * 2
    assert (kill[2], order[2], both[2]) == (3 / 4, 2 / 4, 2 / 4)
    assert (kill[0], both[0]) == (3 / 4, 1)
    assert both[1] == pytest.approx(2 / 3)


def test_the_longest_common_subsequence_is_that_of_all_subsequences():
    random = np.random.default_rng(0)
    for _ in range(20):
        first, second = (["abc."[i] for i in random.integers(0, 4, random.integers(0, 7))] for _ in range(2))
        parts = [{part for n in range(len(words) + 1) for part in itertools.combinations(words, n)} for words in (first, second)]
        assert answers._common(first, second) == max(map(len, parts[0] & parts[1]))


def test_rouge_without_words_is_nothing():
    assert answers.rouge("", "a b") == answers.rouge("a b", "...") == (0, 0, 0)
    assert answers.rouge("one", "one") == (1, 0, 1)


def test_the_dictionary_has_the_word_that_goes_with_each_most_often(tmp_path):
    lines = ["a dog\tein Hund", "a cat\teine Katze", "the dog\tder Hund", "the cat\tdie Katze", "a dog .\tein Hund .", "x\ty"]
    (tmp_path / "a.tsv").write_text("\n".join(lines))
    source = open_source(f"pairs:{tmp_path / 'a.tsv'}", text=TextFormat(length=32, held_out=str(tmp_path / "a.tsv")))
    made = answers.baselines(source, ["dog cat .", "a bird"])
    assert made["the prompt itself"] == ["dog cat .", "a bird"]
    assert made["the prompt word by word"] == ["Hund Katze .", "ein bird"]
    prompts, turns = answers.held_out(source, 2)
    assert turns == [Turn("a dog", "ein Hund"), Turn("a cat", "eine Katze")]
    assert prompts[0].tolist() == [*b"a dog", 257]
