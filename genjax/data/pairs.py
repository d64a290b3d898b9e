"""Prompts and their answers: translation, questions, summaries and dialogues are one format with other fields.

A dialogue is one turn or several, each a prompt and its answer, and one segment of a row:

    prompt ASK answer END prompt ASK answer END ...                                                 (1)

ASK and END are the two ids after those of the tokenizer; a text cannot hold them. Answers are supervised with their END, and prompts with their
ASK are only there to be seen. A likelihood is counted in bytes of the answers. Where answers have a room (`TextFormat.answer_room`), more ENDs fill
it up, supervised too: then nothing but what is learned says how long an answer is, to a model that sees all of it at once.
"""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genjax.data import tokenizers
from genjax.data.base import Dialogue, Source, Turn
from genjax.data.packing import PackedRows, Pieces, Stream
from genjax.data.text import TextFormat, chosen_by_name
from genjax.errors import DataError, UsageError
from genjax.types import DataSpec

# What a line of JSON may be, besides {"messages": [{"role": ..., "content": ...}, ...]}: the last field is the answer, those before it the prompt.
FIELDS = (
    ("context", "question", "answer"),
    ("question", "answer"),
    ("prompt", "answer"),
    ("source", "target"),
    ("document", "summary"),
)
_ROLES = {"system", "user", "assistant"}


class Dialogues(NamedTuple):
    """The dialogues of both splits."""

    train: list[Dialogue]
    eval: list[Dialogue]


def end_of(tokenizer: tokenizers.Tokenizer) -> int:
    """The id that ends an answer."""
    return tokenizer.vocab


def ask(tokenizer: tokenizers.Tokenizer, before: Sequence[Turn], prompt: str, room: int | None = None) -> np.ndarray:
    """The ids of equation (1) up to the ASK of a prompt, after the turns before it, whose answers take at least `room` tokens each: int32 [n]."""
    return np.concatenate([_dialogue(tokenizer, before, room)[0], _asked(tokenizer, prompt)])


def _asked(tokenizer: tokenizers.Tokenizer, prompt: str) -> np.ndarray:
    return np.append(tokenizer.encode(prompt), tokenizer.vocab + 1).astype(np.int32)


def _dialogue(tokenizer: tokenizers.Tokenizer, turns: Sequence[Turn], room: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Equation (1), and which of its tokens are supervised: int32 and bool [n]."""
    tokens, supervised = [np.zeros(0, np.int32)], [np.zeros(0, bool)]
    for prompt, answer in turns:
        said = tokenizer.encode(answer)
        parts = _asked(tokenizer, prompt), np.pad(said, (0, max(1, (room or 0) - len(said))), constant_values=end_of(tokenizer)).astype(np.int32)
        tokens += parts
        supervised += [np.zeros(len(parts[0]), bool), np.ones(len(parts[1]), bool)]
    return np.concatenate(tokens), np.concatenate(supervised)


def pairs_source(name: str, dialogues: Dialogues, text: TextFormat, folder: Path | None = None) -> Source:
    """The source of dialogues, as many to a row as fit; arguments and errors as in `text.text_source`."""
    words = [words for dialogue in dialogues.train for turn in dialogue for words in turn]
    tokenizer = tokenizers.make(text.tokenizer, name, words, folder)
    rows = {split: _rows(name, split, part, tokenizer, text) for split, part in dialogues._asdict().items()}
    return Source(
        spec=DataSpec(
            name=name,
            key="tokens",
            shape=(text.length,),
            levels=tokenizer.vocab + 2,
            num_classes=0,
            train_size=len(rows["train"]),
            eval_size=len(rows["eval"]),
            unit="byte",
            prompted=True,
        ),
        splits=dict(rows),
        tokenizer=tokenizer,
        dialogues=dialogues._asdict(),
        answer_room=text.answer_room,
    )


def _rows(name: str, split: str, dialogues: list[Dialogue], tokenizer: tokenizers.Tokenizer, text: TextFormat) -> PackedRows:
    length, room = text.length, text.answer_room
    if room is not None:
        most = max(len(tokenizer.encode(answer)) + 1 for turns in dialogues for _, answer in turns)
        if most > room:
            raise DataError(f"{name}: an answer of the {split} split takes {most} tokens with its end: set data.answer_room={most}, not {room}")
    parts = [_dialogue(tokenizer, turns, room) for turns in dialogues]
    ends = np.cumsum([len(tokens) for tokens, _ in parts])
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    longest = int(np.max(ends - starts))
    if longest > length:
        raise DataError(
            f"{name}: {int(np.sum(ends - starts > length))} of the {split} split's prompts with answers are longer than data.length={length} "
            f"tokens: set data.length={longest}, or take them out"
        )
    tokens = np.concatenate([tokens for tokens, _ in parts])
    sizes = np.concatenate([tokenizer.sizes, [0, 0]])
    stream = Stream(tokens, sizes.astype(np.min_scalar_type(sizes.max()))[tokens], ends, np.concatenate([mask for _, mask in parts]))
    return PackedRows.packed(stream, Pieces(starts, starts, ends), length)


# ---- where they come from ------------------------------------------------------------------------------------------


def read_pairs(argument: str, held_out: str | None = None) -> Dialogues:
    """The dialogues of files, and those that are held out: of other files, or a tenth that the prompts choose.

    Files are one of
      a.en,a.de    two texts, whose lines belong to each other
      a.tsv        a prompt, a tab and its answer a line
      a.jsonl      a JSON object a line: one of FIELDS, {"messages": [...]} with roles system, user, assistant, or {"instruction": ...,
                   "instances": [...]} with an input and an output each
      a.txt        stories with questions, as bAbI has them (arXiv:1502.05698)
      a.json       paragraphs with questions, as SQuAD has them (arXiv:1606.05250)
    each also with the ending .gz.

    Raises:
      UsageError: no such form of files.
      DataError: a file is missing or is not what it should be.
    """
    dialogues = _read(argument, "data.source=pairs:")
    if held_out is not None:
        return Dialogues(dialogues, _read(held_out, "data.held_out="))
    if len({dialogue[0].prompt for dialogue in dialogues}) < 2:
        raise DataError(f"{argument}: at least two different prompts are needed, one of them to be held out")
    return apart((dialogue[0].prompt, dialogue) for dialogue in dialogues)


def apart(named: Iterable[tuple[str, Dialogue]]) -> Dialogues:
    """Dialogues by what they are told apart by, (name, dialogue): those of a tenth of the names are held out."""
    found = list(named)
    chosen = chosen_by_name({name for name, _ in found})
    return Dialogues([each for name, each in found if name not in chosen], [each for name, each in found if name in chosen])


def _read(argument: str, where: str) -> list[Dialogue]:
    paths = [Path(part) for part in argument.split(",")]
    if len(paths) == 2:
        sides = [_lines(path) for path in paths]
        if len(sides[0]) != len(sides[1]):
            raise DataError(
                f"{paths[0]} has {len(sides[0]):,} lines and {paths[1]} {len(sides[1]):,}: line n of one must belong to line n of the other"
            )
        return _some(argument, [(Turn(*sentences),) for sentences in zip(*sides, strict=True)])
    kind = paths[0].name.removesuffix(".gz").rpartition(".")[2]
    if len(paths) != 1 or kind not in READERS:
        raise UsageError(f"{where}{argument}: give prompts.txt,answers.txt or one file that ends in {' or '.join('.' + kind for kind in READERS)}")
    cut, read = READERS[kind]
    found = []
    for number, part in cut(_lines(paths[0])):
        if part.strip():
            try:
                found += [_encodable(dialogue) for dialogue in read(part)]
            except (ValueError, RecursionError) as error:  # the latter: nested without end
                raise DataError(f"{paths[0]}, line {number}: {error}") from error
    return _some(argument, found)


def _encodable(dialogue: Dialogue) -> Dialogue:
    """The dialogue; ValueError where a part is no text, or half of a character that JSON can spell."""
    for part in itertools.chain(*dialogue):
        if not isinstance(part, str):
            raise ValueError(f"{part!r} must be text")
        part.encode()
    return dialogue


def _some(argument: str, found: list[Dialogue]) -> list[Dialogue]:
    if not found:
        raise DataError(f"{argument}: there is nothing in it")
    return found


def _lines(path: Path) -> list[str]:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode().removesuffix("\n").replace("\r\n", "\n").split("\n")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}): give the path that it has here") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 (byte {error.start}): convert it") from error


def _by_line(lines: list[str]) -> Iterable[tuple[int, str]]:
    return enumerate(lines, 1)


def _by_story(lines: list[str]) -> Iterable[tuple[int, str]]:
    """From a line with the number 1 to the next."""
    starts = [at for at, line in enumerate(lines) if line.startswith("1 ") or at == 0]
    return ((start + 1, "\n".join(lines[start:stop])) for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True))


def _whole(lines: list[str]) -> Iterable[tuple[int, str]]:
    return [(1, "\n".join(lines))]


def _tab_separated(line: str) -> list[Dialogue]:
    columns = line.split("\t")
    if len(columns) != 2:
        raise ValueError(f"{len(columns)} columns instead of a prompt, a tab and an answer")
    return [(Turn(*columns),)]


def _babi(story: str) -> list[Dialogue]:
    """A question follows the statements before it; the questions before it, and which statements it rests on, are left out.

    In one line: so that a name is one token wherever it stands.
    """
    said, found = [], []
    for number, line in enumerate(story.split("\n"), 1):
        count, _, words = line.partition(" ")
        if count != str(number):
            raise ValueError(f"the {number}. line of a story begins with '{count}' and not with {number}")
        question, *answer = words.split("\t")
        if answer:
            found.append((Turn(" ".join([*said, question.strip()]), answer[0].strip()),))
        else:
            said.append(question.strip())
    return found


def _squad(document: str) -> list[Dialogue]:
    """A question follows its paragraph; of several answers the first is expected. A question that cannot be answered is left out."""
    try:
        return [
            (Turn(f"{paragraph['context']}\n{asked['question']}", asked["answers"][0]["text"]),)
            for article in json.loads(document)["data"]
            for paragraph in article["paragraphs"]
            for asked in paragraph["qas"]
            if asked["answers"]
        ]
    except (KeyError, TypeError) as error:
        raise ValueError("not of SQuAD's form, data: [paragraphs: [context, qas: [question, answers: [text]]]]") from error


def _json(line: str) -> list[Dialogue]:
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError("not a JSON object")
    if "messages" in entry:
        return [_messages(entry["messages"])]
    if "instances" in entry:
        return _instructed(entry)
    fields = next((fields for fields in FIELDS if set(fields) <= set(entry)), None)
    if fields is None:
        raise ValueError(f"has {', '.join(entry) or 'no fields'}, and not messages or one of {'; '.join(', '.join(fields) for fields in FIELDS)}")
    values = [entry[field] for field in fields]
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"{', '.join(fields)} must be text")
    return [(Turn("\n".join(values[:-1]), values[-1]),)]


def _instructed(entry: dict[str, Any]) -> list[Dialogue]:
    """An instruction with several inputs and outputs (arXiv:2212.10560); an input may be empty."""
    try:
        return [(Turn("\n".join(filter(None, [entry["instruction"], each["input"]])), each["output"]),) for each in entry["instances"]]
    except (KeyError, TypeError) as error:
        raise ValueError("not an instruction with instances: [input, output]") from error


def _messages(messages: Any) -> Dialogue:
    """What stands before an answer of the assistant is its prompt, be it the system's or the user's."""
    turns, before = [], []
    if not isinstance(messages, list):
        raise ValueError("messages must be a list")
    for message in messages:
        if not (isinstance(message, dict) and message.get("role") in _ROLES and isinstance(message.get("content"), str)):
            raise ValueError(f'a message is {{"role": {" or ".join(sorted(_ROLES))}, "content": text}}')
        if message["role"] != "assistant":
            before.append(message["content"])
        elif not before:
            raise ValueError("an answer of the assistant that nobody asked for")
        else:
            turns.append(Turn("\n".join(before), message["content"]))
            before = []
    if before or not turns:
        raise ValueError("the messages must end with an answer of the assistant")
    return tuple(turns)


class Format(NamedTuple):
    """How a file is read: cut(lines) -> its parts, each with the number of its first line; read(part) -> dialogues, or ValueError."""

    cut: Callable[[list[str]], Iterable[tuple[int, str]]]
    read: Callable[[str], list[Dialogue]]


READERS = {
    "tsv": Format(_by_line, _tab_separated),
    "jsonl": Format(_by_line, _json),
    "txt": Format(_by_story, _babi),
    "json": Format(_whole, _squad),
}
