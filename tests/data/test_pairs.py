"""Prompts with answers as rows: what is supervised, what it is worth, what is held out, and what is refused."""

import gzip
import json

import numpy as np
import pytest

from genjax.data import pairs
from genjax.data.base import Turn
from genjax.data.sources import TextFormat, open_source
from genjax.errors import DataError, UsageError
from tests.conftest import REPOSITORY

SENTENCES = [("a dog", "ein Hund"), ("a cat", "eine Katze"), ("two men", "zwei Männer"), ("", "nichts"), ("a girl", "")]
END, ASK = 256, 257  # after the 256 bytes


def write(folder, name, text):
    (folder / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return str(folder / name)


def parallel(folder, sentences=SENTENCES, name="train", ending=""):
    return ",".join(write(folder, f"{name}.{side}{ending}", "".join(f"{pair[side]}\n" for pair in sentences)) for side in (0, 1))


def opened(argument, held_out=None, length=32, tokenizer=("byte", {})):
    return open_source(f"pairs:{argument}", text=TextFormat(tokenizer, length, held_out=held_out))


def dialogues_in(rows):
    """Every segment, as ids and supervision."""
    found = []
    for tokens, segments, supervised in zip(rows["tokens"], rows["segment_ids"], rows["loss_mask"], strict=True):
        found += [(tokens[segments == n].tolist(), supervised[segments == n].tolist()) for n in range(1, segments.max() + 1)]
    return found


def expected(*turns):
    tokens = [(token, side) for turn in turns for side in (0, 1) for token in [*turn[side].encode(), (ASK, END)[side]]]
    return [token for token, _ in tokens], [float(side) for _, side in tokens]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_each_answer_is_supervised_with_its_end_after_a_prompt_that_is_not(ending, tmp_path):
    files = parallel(tmp_path, ending=ending)
    source = opened(files, held_out=files)
    rows = source.splits["train"].rows(np.arange(source.spec.train_size))
    assert sorted(dialogues_in(rows)) == sorted(expected(pair) for pair in SENTENCES)
    assert source.spec.train_size < len(SENTENCES), "several share a row"
    assert (source.spec.levels, source.spec.unit, source.spec.prompted) == (258, "byte", True)
    assert rows["num_units"].sum() == sum(len(answer.encode()) for _, answer in SENTENCES)
    assert (rows["positions"][rows["segment_ids"] == 0] == 0).all() and (rows["loss_mask"][rows["segment_ids"] == 0] == 0).all()


@pytest.mark.parametrize("tokenizer", [("char", {}), ("bpe", {"vocab": 260})])
def test_bytes_of_answers_are_the_same_for_every_tokenizer(tokenizer, tmp_path):
    files = parallel(tmp_path)
    source = opened(files, files, tokenizer=tokenizer)
    rows = source.splits["eval"].rows(np.arange(source.spec.eval_size))
    assert rows["num_units"].sum() == sum(len(answer.encode()) for _, answer in SENTENCES)


def test_answers_of_a_room_are_filled_up_with_ends_that_are_learned_and_worth_nothing(tmp_path):
    files = parallel(tmp_path)
    source = open_source(f"pairs:{files}", text=TextFormat(length=32, held_out=files, answer_room=13))
    rows = source.splits["train"].rows(np.arange(source.spec.train_size))
    filled = [(expected(pair)[0] + [END] * (12 - len(pair[1].encode())), len(pair[0])) for pair in SENTENCES]
    assert sorted(dialogues_in(rows)) == sorted((tokens, [0.0] * (asked + 1) + [1.0] * 13) for tokens, asked in filled)
    assert rows["num_units"].sum() == sum(len(answer.encode()) for _, answer in SENTENCES)
    assert source.answer_room == 13
    asked = pairs.ask(source.tokenizer, [Turn("a", "b")], "c", 13)
    assert asked.tolist() == [ord("a"), ASK, ord("b"), *[END] * 12, ord("c"), ASK], "what stood before is as it was learned"


def test_a_room_that_is_too_small_or_of_no_use_is_refused(tmp_path):
    files = parallel(tmp_path)
    with pytest.raises(DataError, match=r"takes 13 tokens with its end: set data\.answer_room=13, not 5"):
        open_source(f"pairs:{files}", text=TextFormat(length=32, held_out=files, answer_room=5))
    with pytest.raises(UsageError, match=r"data\.answer_room is for the answers of pairs"):
        open_source("markov", text=TextFormat(answer_room=5))


CHAT = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "bye"},
    {"role": "assistant", "content": "ciao"},
]


def test_a_chat_supervises_every_answer_of_the_assistant_and_nothing_else(tmp_path):
    file = write(tmp_path, "chat.jsonl", json.dumps({"messages": CHAT}) + "\n")
    source = opened(file, held_out=file, length=64)
    assert dialogues_in(source.splits["train"].rows(np.arange(1))) == [expected(("be kind\nhi", "hello"), ("bye", "ciao"))]
    dialogue = source.dialogues["train"][0]
    assert dialogue == (Turn("be kind\nhi", "hello"), Turn("bye", "ciao"))
    tokens, _ = expected(*dialogue)
    asked = pairs.ask(source.tokenizer, dialogue[:1], "bye").tolist()
    assert tokens[: len(asked)] == asked and asked[-1] == ASK


@pytest.mark.parametrize(
    ("entry", "turn"),
    [
        ({"source": "a", "target": "b"}, ("a", "b")),
        ({"question": "a", "answer": "b", "id": 3}, ("a", "b")),
        ({"context": "c", "question": "a", "answer": "b"}, ("c\na", "b")),
        ({"document": "a", "summary": "b"}, ("a", "b")),
        ({"instruction": "a", "instances": [{"input": "c", "output": "b"}], "name": "x"}, ("a\nc", "b")),
        ({"instruction": "a", "instances": [{"input": "", "output": "b"}]}, ("a", "b")),
    ],
)
def test_a_task_is_its_fields(entry, turn, tmp_path):
    file = write(tmp_path, "task.jsonl", json.dumps(entry) + "\n\n")
    assert opened(file, held_out=file).dialogues["eval"] == [(turn,)]


def test_an_instruction_is_a_prompt_with_each_of_its_inputs_and_only_its_output_is_supervised(tmp_path):
    entry = {"instruction": "add", "instances": [{"input": "1 2", "output": "3"}, {"input": "2 2", "output": "4"}]}
    file = write(tmp_path, "seed.jsonl", json.dumps(entry))
    rows = opened(file, held_out=file).splits["train"].rows(np.arange(1))
    assert sorted(dialogues_in(rows)) == sorted([expected(("add\n1 2", "3")), expected(("add\n2 2", "4"))])


STORIES = """1 Mary moved to the bathroom.
2 John went to the hallway.
3 Where is Mary? \tbathroom\t1
4 Mary left.
5 Where is John?\thallway\t2
1 Ann sat.
2 Where is Ann? \tthere\t1
"""


def test_a_question_is_asked_after_the_statements_of_its_own_story_and_nothing_else(tmp_path):
    file = write(tmp_path, "qa.txt.gz", STORIES)
    assert opened(file, held_out=file, length=128).dialogues["eval"] == [
        (Turn("Mary moved to the bathroom. John went to the hallway. Where is Mary?", "bathroom"),),
        (Turn("Mary moved to the bathroom. John went to the hallway. Mary left. Where is John?", "hallway"),),
        (Turn("Ann sat. Where is Ann?", "there"),),
    ]


def squad(*asked):
    return json.dumps({"version": "1", "data": [{"title": "t", "paragraphs": [{"context": "c", "qas": list(asked)}]}]}, indent=1)


def test_a_question_about_a_paragraph_expects_the_first_of_its_answers(tmp_path):
    answers = [{"answer_start": 0, "text": text} for text in ("a", "b")]
    file = write(tmp_path, "squad.json", squad({"question": "q", "answers": answers}, {"question": "r", "answers": []}))
    assert opened(file, held_out=file).dialogues["eval"] == [(Turn("c\nq", "a"),)]


def published(name):
    """The files as they were published, where they lie beside the repository."""
    path = REPOSITORY.parent / "shared" / "data" / "sources" / name
    if not path.exists():
        pytest.skip(f"{name} is not in ../shared/data/sources")
    return str(path)


@pytest.mark.parametrize(
    ("name", "count"), [("babi_qa1/qa1_single-supporting-fact_test.txt.gz", 1000), ("xquad_en/xquad.en.json", 1190), ("gsm8k/test.jsonl.gz", 1319)]
)
def test_the_published_files_have_as_many_questions_as_is_published(name, count):
    """bAbI: 1,000 questions a test file; XQuAD: 1,190 (arXiv:1910.11856); GSM8K: about 1,320, of which 1,319 are released."""
    assert len(pairs._read(published(name), "")) == count


def test_a_story_tells_the_answer_where_it_last_says_where_someone_went():
    """The rule that the published stories were made by, on their test file."""
    for ((asked, answer),) in pairs._read(published("babi_qa1/qa1_single-supporting-fact_test.txt.gz"), ""):
        *statements, question = asked.split(". ")
        name = question.removeprefix("Where is ").removesuffix("?").strip()
        went = [statement.rstrip(".").split() for statement in statements]
        assert [words[-1] for words in went if words[0] == name][-1] == answer


def test_a_tenth_is_held_out_by_the_prompt_and_no_prompt_is_in_both_splits(tmp_path):
    sentences = [(f"prompt {n % 200}", f"answer {n}") for n in range(400)]
    file = write(tmp_path, "some.tsv", "".join(f"{prompt}\t{answer}\n" for prompt, answer in sentences))
    train, held_out = (opened(file).dialogues[split] for split in ("train", "eval"))
    assert sorted(turn for part in (train, held_out) for (turn,) in part) == sorted(sentences)
    assert not {dialogue[0].prompt for dialogue in train} & {dialogue[0].prompt for dialogue in held_out}
    assert 20 <= len(held_out) <= 60
    fewer = write(tmp_path, "fewer.tsv", "".join(f"{prompt}\t{answer}\n" for prompt, answer in sentences[:390]))
    assert set(opened(fewer).dialogues["eval"]) <= set(held_out), "what is held out does not depend on what else there is"


@pytest.mark.parametrize(
    ("name", "text", "error", "words"),
    [
        ("a.csv", "a,b\n", UsageError, "one file that ends in .tsv or .jsonl or .txt or .json"),
        ("a.tsv", "a\tb\na\n", DataError, "line 2: 1 columns"),
        ("a.tsv", "", DataError, "nothing in it"),
        ("a.tsv", "a\tb\n", DataError, "at least two different prompts"),
        ("a.jsonl", "{\n", DataError, "line 1: "),
        pytest.param("a.jsonl", 5000 * "[", DataError, "line 1: maximum recursion depth", id="nested"),
        ("a.jsonl", '{"answer": "b"}\n', DataError, "has answer, and not messages or one of context, question, answer; "),
        ("a.jsonl", '{"source": "b", "target": 3}\n', DataError, "source, target must be text"),
        ("a.jsonl", json.dumps({"messages": CHAT[:2]}), DataError, "must end with an answer"),
        ("a.jsonl", '{"messages": 3}', DataError, "messages must be a list"),
        ("a.jsonl", '{"prompt": "a", "answer": "\\ud800"}', DataError, "surrogates not allowed"),
        ("a.jsonl", json.dumps({"messages": CHAT[2:3]}), DataError, "nobody asked for"),
        ("a.jsonl", json.dumps({"messages": [{"role": "robot", "content": ""}]}), DataError, "a message is"),
        ("a.jsonl", '{"instances": [{"input": "a"}], "instruction": "b"}', DataError, "line 1: not an instruction with instances"),
        ("a.jsonl", '{"instances": [{"input": "a", "output": 3}], "instruction": "b"}', DataError, "line 1: 3 must be text"),
        ("a.txt", "1 a\n2 b?\tc\n1 d\n3 e\n", DataError, r"line 3: the 2\. line of a story begins with '3'"),
        ("a.txt", "a book\n", DataError, r"line 1: the 1\. line of a story begins with 'a'"),
        ("a.txt", "1 a book\n", DataError, "nothing in it"),
        ("a.json", "[]", DataError, "not of SQuAD's form"),
        ("a.json", squad({"question": "q", "answers": [{"text": 3}]}), DataError, "3 must be text"),
        ("a.tsv", "a\t" + "b" * 40 + "\nc\td\n", DataError, "1 of the .* split's prompts with answers are longer .* set data.length=43"),
    ],
)
def test_what_is_refused(name, text, error, words, tmp_path):
    with pytest.raises(error, match=words):
        opened(write(tmp_path, name, text))


def test_texts_of_different_length_are_refused(tmp_path):
    files = parallel(tmp_path).split(",")
    other = write(tmp_path, "other", "one\n")
    with pytest.raises(DataError, match=r"5 lines and .* 1: line n of one must belong to line n of the other"):
        opened(f"{files[0]},{other}")


def test_only_pairs_have_held_out_files(tmp_path):
    with pytest.raises(UsageError, match=r"data\.held_out names files of pairs"):
        open_source("python_stdlib", text=TextFormat(held_out="a.tsv"))


def test_a_damaged_archive_is_an_error_that_names_it(tmp_path):
    whole = gzip.compress(b"a\tb\n" * 1000)
    for place in (len(whole) // 2, len(whole) - 6):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        (tmp_path / "a.tsv.gz").write_bytes(damaged)
        with pytest.raises(DataError, match=r"a\.tsv\.gz: cannot be read"):
            pairs.read_pairs(str(tmp_path / "a.tsv.gz"))
