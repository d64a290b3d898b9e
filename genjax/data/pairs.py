"""Prompts and their answers: translation, questions, summaries and dialogues are one format with other fields.

A dialogue is one turn or several, each a prompt and its answer, and one segment of a row:

    prompt ASK answer END prompt ASK answer END ...                                                 (1)

ASK and END are the two ids after those of the tokenizer; a text cannot hold them. Answers are supervised with their END, and prompts with their
ASK are only there to be seen. A likelihood is counted in bytes of the answers.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Sequence
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


def ask(tokenizer: tokenizers.Tokenizer, before: Sequence[Turn], prompt: str) -> np.ndarray:
    """The ids of equation (1) up to the ASK of a prompt, after the turns before it: int32 [n]."""
    return np.concatenate([_dialogue(tokenizer, before)[0], _asked(tokenizer, prompt)])


def _asked(tokenizer: tokenizers.Tokenizer, prompt: str) -> np.ndarray:
    return np.append(tokenizer.encode(prompt), tokenizer.vocab + 1).astype(np.int32)


def _dialogue(tokenizer: tokenizers.Tokenizer, turns: Sequence[Turn]) -> tuple[np.ndarray, np.ndarray]:
    """Equation (1), and which of its tokens are supervised: int32 and bool [n]."""
    tokens, supervised = [np.zeros(0, np.int32)], [np.zeros(0, bool)]
    for prompt, answer in turns:
        parts = _asked(tokenizer, prompt), np.append(tokenizer.encode(answer), end_of(tokenizer)).astype(np.int32)
        tokens += parts
        supervised += [np.zeros(len(parts[0]), bool), np.ones(len(parts[1]), bool)]
    return np.concatenate(tokens), np.concatenate(supervised)


def pairs_source(name: str, dialogues: Dialogues, text: TextFormat, folder: Path | None = None) -> Source:
    """The source of dialogues, as many to a row as fit; arguments and errors as in `text.text_source`."""
    words = [words for dialogue in dialogues.train for turn in dialogue for words in turn]
    tokenizer = tokenizers.make(text.tokenizer, name, words, folder)
    rows = {split: _rows(name, split, part, tokenizer, text.length) for split, part in dialogues._asdict().items()}
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
    )


def _rows(name: str, split: str, dialogues: list[Dialogue], tokenizer: tokenizers.Tokenizer, length: int) -> PackedRows:
    parts = [_dialogue(tokenizer, turns) for turns in dialogues]
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
      a.jsonl      a JSON object a line: one of FIELDS, or {"messages": [...]} with roles system, user, assistant
    each also with the ending .gz.

    Raises:
      UsageError: no such form of files.
      DataError: a file is missing or is not what it should be.
    """
    dialogues = _read(argument, "data.source=pairs:")
    if held_out is not None:
        return Dialogues(dialogues, _read(held_out, "data.held_out="))
    if len(kept := {dialogue[0].prompt for dialogue in dialogues}) < 2:
        raise DataError(f"{argument}: at least two different prompts are needed, one of them to be held out")
    chosen = chosen_by_name(kept)
    return Dialogues([d for d in dialogues if d[0].prompt not in chosen], [d for d in dialogues if d[0].prompt in chosen])


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
    found = []
    for number, line in enumerate(_lines(paths[0]), 1):
        if line.strip():
            try:
                found.append(_encodable(READERS[kind](line)))
            except (ValueError, RecursionError) as error:  # the latter: nested without end
                raise DataError(f"{paths[0]}, line {number}: {error}") from error
    return _some(argument, found)


def _encodable(dialogue: Dialogue) -> Dialogue:
    """The dialogue; ValueError where a part is no text, but half of a character that JSON can spell."""
    for turn in dialogue:
        "".join(turn).encode()
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
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 (byte {error.start}): convert it") from error


def _tab_separated(line: str) -> Dialogue:
    columns = line.split("\t")
    if len(columns) != 2:
        raise ValueError(f"{len(columns)} columns instead of a prompt, a tab and an answer")
    return (Turn(*columns),)


def _json(line: str) -> Dialogue:
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError("not a JSON object")
    if "messages" in entry:
        return _messages(entry["messages"])
    fields = next((fields for fields in FIELDS if set(fields) <= set(entry)), None)
    if fields is None:
        raise ValueError(f"has {', '.join(entry) or 'no fields'}, and not messages or one of {'; '.join(', '.join(fields) for fields in FIELDS)}")
    values = [entry[field] for field in fields]
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"{', '.join(fields)} must be text")
    return (Turn("\n".join(values[:-1]), values[-1]),)


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


READERS: dict[str, Callable[[str], Dialogue]] = {"tsv": _tab_separated, "jsonl": _json}
