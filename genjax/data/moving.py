"""Short films that are made up: `moving:shapes` and `moving:digits`, of something that moves straight on and bounces off the edges.

    shapes   6 frames of 8x8 in 5 levels: one of 5 figures of 3x3 pixels in one of 4 brightnesses, moving by at most 1 pixel a frame each way.
             All films there are can be listed, and so whether one is among them can be told (`figures`).
    digits   6 frames of 12x12 in 17 levels: one of scikit-learn's handwritten digits; those of the held-out films are held out. Whether what is seen
             at the end is what was seen at the beginning can be told (`kept`).

The class of a film is what moves; its caption is of three words, "bright ring sideways", or "seven sideways" of digits. Whether a film of shapes is
as its caption says can be told, since it is one of those there are or it is none. `/frames=8` makes other lengths.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from genjax.data.base import ArrayRows, Arrays, Frames, Rows, Source, Verdicts, fixed_permutation, hold_out
from genjax.data.digits import open_digits
from genjax.data.options import read_options
from genjax.data.words import DIGITS, Words
from genjax.errors import UsageError, did_you_mean
from genjax.types import DataSpec

TRAIN_SIZE, EVAL_SIZE = 2**14, 2**10
_SEED = 20261123
_RATE = 6  # frames a second
BRIGHTNESSES = ("faint", "dim", "bright", "white")
NAMES = ("block", "ring", "plus", "cross", "stairs")
WAYS = ("sideways", "vertically", "diagonally")
SAID = Words.of((*BRIGHTNESSES, *NAMES, *WAYS), 3)
PARTS = {"brightness": {*BRIGHTNESSES}, "figure": {*NAMES}, "way": {*WAYS}}
# Rows of bits.
FIGURES = np.array(
    [
        [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
        [[1, 1, 1], [1, 0, 1], [1, 1, 1]],
        [[0, 1, 0], [1, 1, 1], [0, 1, 0]],
        [[1, 0, 1], [0, 1, 0], [1, 0, 1]],
        [[1, 0, 0], [1, 1, 0], [1, 1, 1]],
    ],
    np.uint8,
)
VELOCITIES = [pair for pair in itertools.product((-1, 0, 1), repeat=2) if pair != (0, 0)]


def path(start: np.ndarray, velocity: np.ndarray, frames: int, room: int) -> np.ndarray:
    """Where what starts at a place [...] in 0 .. room - 1 is in every frame [..., frames], when it bounces off both ends."""
    turn = 2 * (room - 1)
    at = (start[..., None] + velocity[..., None] * np.arange(frames)) % turn
    return np.minimum(at, turn - at)


def films(sprites: np.ndarray, start: np.ndarray, velocity: np.ndarray, frames: int, side: int) -> np.ndarray:
    """uint8 [n, frames, side, side, 1] of sprites [n, h, h] that start with their corner at [n, 2]."""
    count, high = sprites.shape[:2]
    out = np.zeros((count, frames, side, side, 1), np.uint8)
    at = path(start, velocity, frames, side - high + 1)  # [n, 2, frames]
    rows, each = np.arange(count)[:, None], np.arange(frames)[None, :]
    for y, x in np.ndindex(high, high):
        out[rows, each, at[:, 0] + y, at[:, 1] + x, 0] = sprites[:, y, x][:, None]
    return out


def way(velocity: np.ndarray) -> np.ndarray:
    """The number in WAYS of velocities [n, 2], none of them (0, 0)."""
    return np.abs(velocity) @ (2, 1) - 1


class Films(NamedTuple):
    """Films uint8 [n, frames, 8, 8, 1], the number of the figure in each int32 [n], and what is said of it int32 [n, 3]."""

    array: np.ndarray
    label: np.ndarray
    caption: np.ndarray


@functools.cache
def every_film(frames: int) -> Films:
    """All films of shapes, each once, mixed: the first are as any."""
    room = range(6)
    which = np.array(list(itertools.product(range(len(FIGURES)), range(1, 1 + len(BRIGHTNESSES)), room, room, range(len(VELOCITIES)))))
    sprites = FIGURES[which[:, 0]] * which[:, 1, None, None].astype(np.uint8)
    made = films(sprites, which[:, 2:4], np.array(VELOCITIES)[which[:, 4]], frames, 8)
    _, first = np.unique(made.reshape(len(made), -1), axis=0, return_index=True)
    first = np.sort(first)[fixed_permutation(len(first), _SEED)]
    figure, bright = which[first, 0], which[first, 1]
    said = np.stack([bright, 1 + len(BRIGHTNESSES) + figure, 1 + len(BRIGHTNESSES) + len(NAMES) + way(np.array(VELOCITIES)[which[first, 4]])], axis=1)
    return Films(made[first], figure.astype(np.int32), said.astype(np.int32))


@dataclasses.dataclass(frozen=True)
class FilmPrompts:
    """See `data.base.Prompts`: what is asked for is a film of shapes, by its caption or a part of it ("ring sideways")."""

    frames: int

    def encode(self, text: str) -> np.ndarray:
        return SAID.encode(text)

    def decode(self, caption: np.ndarray) -> str:
        return SAID.decode(caption)

    def category(self, caption: np.ndarray) -> str:
        return next((word for word in self.decode(caption).split() if word in WAYS), "any way")

    def judge(self, asked: np.ndarray, data: np.ndarray) -> Verdicts:
        """Its errors: no film of these, or what of the caption is not so."""
        found = [_told(self.frames).get(film.tobytes()) for film in np.ascontiguousarray(data, np.uint8)]
        missing = [{*self.decode(caption).split()} - (told or set()) for caption, told in zip(asked, found, strict=True)]
        wrong = [next((part for part, words in PARTS.items() if words & missed), "none") for missed in missing]
        valid = np.array([told is not None for told in found])
        errors = [part if right else "no such film" for part, right in zip(wrong, valid, strict=True)]
        return Verdicts(valid, valid & ~np.array(list(map(bool, missing)), bool), errors)

    def pictures(self, data: np.ndarray) -> np.ndarray:
        """The frames from left to right, in grey."""
        strips = np.moveaxis(np.asarray(data, np.uint8)[..., 0], 1, 2).reshape(len(data), data.shape[2], -1)
        return np.repeat((strips * (255 // len(BRIGHTNESSES)))[..., None], 3, axis=-1)


@functools.cache
def _told(frames: int) -> dict[bytes, set[str]]:
    """What is said of every film, by its bytes."""
    films = every_film(frames)
    return {film.tobytes(): {*SAID.decode(said).split()} for film, said in zip(films.array, films.caption, strict=True)}


def figures(frames: int, known: np.ndarray) -> Callable[[np.ndarray], dict[str, float]]:
    """What is told of films [n, frames, 8, 8, 1], `known` being all there are.

    frames that show a figure: the share of frames that are a frame of some film, to the level.
    films that keep it: that show the same figure in the same brightness in every frame.
    films that move as they should: that are one of those there are.
    """
    pictures = known.reshape(len(known) * frames, -1)
    shapes = {picture.tobytes(): _cut(picture.reshape(8, 8)) for picture in np.unique(pictures, axis=0)}
    whole = {film.tobytes() for film in known}

    def told(data: np.ndarray) -> dict[str, float]:
        data = np.ascontiguousarray(data, np.uint8)
        shown = [[shapes.get(frame.tobytes(), b"") for frame in film] for film in data]
        return {
            "frames that show a figure": float(np.mean([[bool(shape) for shape in film] for film in shown])),
            "films that keep it": float(np.mean([bool(film[0]) and len(set(film)) == 1 for film in shown])),
            "films that move as they should": float(np.mean([film.tobytes() in whole for film in data])),
        }

    return told


def kept(data: np.ndarray) -> dict[str, float]:
    """What is told of films [n, F, H, W, 1] of anything that moves straight on, wherever it is.

    likeness of the last frame to the first: the largest cosine between them over all shifts, 1 where the same thing is shown whole, as a mean.
    films that end as they began: whose last frame is liker to their own first frame than to that of any other of these films.
    """
    first, last = (np.asarray(data[:, frame, ..., 0], np.float64) for frame in (0, -1))
    size = [2 * side for side in first.shape[1:]]
    one, other = (np.fft.rfft2(frames / np.maximum(np.linalg.norm(frames, axis=(1, 2), keepdims=True), 1e-9), size) for frames in (first, last))
    alike = np.stack([np.fft.irfft2(frame * np.conj(one), size).max(axis=(1, 2)) for frame in other])
    return {
        "likeness of the last frame to the first": float(np.mean(np.diagonal(alike))),
        "films that end as they began": float(np.mean(np.diagonal(alike) >= alike.max(axis=1) - 1e-9)),
    }


def _cut(picture: np.ndarray) -> bytes:
    """What is left of a picture [8, 8] without empty rows and columns."""
    return picture[picture.any(axis=1)][:, picture.any(axis=0)].tobytes()


def open_moving(argument: str, data_dir: str | None = None) -> Source:
    """Films uint8 [n, F, H, W, 1], and `label` int32 [n].

    Raises:
      UsageError: nothing of that name moves, or there is no such option.
    """
    name, _, options = argument.partition("/")
    if name not in KINDS:
        raise UsageError(f"data source 'moving:{argument}': what moves is {' or '.join(KINDS)}{did_you_mean(name, KINDS)}")
    return KINDS[name](argument, read_options(f"moving:{argument}", options, {"frames": 6})["frames"])


def _shapes(argument: str, frames: int) -> Source:
    """A tenth of all films is held out."""
    known = every_film(frames)
    splits = hold_out(ArrayRows(known._asdict()))
    sizes = len(splits["train"]), len(splits["eval"])
    spec = DataSpec(
        f"moving:{argument}",
        "array",
        known.array.shape[1:],
        1 + len(BRIGHTNESSES),
        len(FIGURES),
        *sizes,
        words=len(SAID.known),
        caption_length=SAID.length,
    )
    return Source(spec, splits, medium=Frames(_RATE), figures=figures(frames, known.array), prompts=FilmPrompts(frames), words=SAID)


def _digits(argument: str, frames: int) -> Source:
    digits, side, words = open_digits(), 12, Words.of((*DIGITS, *WAYS), 2)

    def rows(split: str, size: int, seed: int) -> ArrayRows:
        random, still = np.random.RandomState([_SEED, seed]), digits.splits[split]
        found: Arrays = still.rows(random.randint(len(still), size=size))
        start, velocity = random.randint(side - 7, size=(size, 2)), np.array(VELOCITIES)[random.randint(len(VELOCITIES), size=size)]
        made = films(found["image"][..., 0], start, velocity, frames, side)
        said = np.stack([1 + found["label"], 1 + len(DIGITS) + way(velocity)], axis=1).astype(np.int32)
        return ArrayRows({"array": made, "label": found["label"], "caption": said})

    spec = DataSpec(
        f"moving:{argument}",
        "array",
        (frames, side, side, 1),
        digits.spec.levels,
        10,
        TRAIN_SIZE,
        EVAL_SIZE,
        words=len(words.known),
        caption_length=words.length,
    )
    splits: dict[str, Rows] = {"train": rows("train", TRAIN_SIZE, 0), "eval": rows("eval", EVAL_SIZE, 1)}
    return Source(spec, splits, medium=Frames(_RATE), figures=kept, words=words)


KINDS: dict[str, Callable[[str, int], Source]] = {"shapes": _shapes, "digits": _digits}
