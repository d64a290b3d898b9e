"""Short films that are made up: `moving:shapes` and `moving:digits`, of something that moves straight on and bounces off the edges.

    shapes   6 frames of 8x8 in 5 levels: one of 5 figures of 3x3 pixels in one of 4 brightnesses, moving by at most 1 pixel a frame each way.
             All films there are can be listed, and so whether one is among them can be told (`figures`).
    digits   6 frames of 12x12 in 17 levels: one of scikit-learn's handwritten digits; those of the held-out films are held out.

The class of a film is what moves. `/frames=8` makes other lengths.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from genjax.data.base import ArrayRows, Arrays, Frames, Source, hold_out
from genjax.data.digits import open_digits
from genjax.data.options import read_options
from genjax.errors import UsageError, did_you_mean
from genjax.types import DataSpec

TRAIN_SIZE, EVAL_SIZE = 2**14, 2**10
_SEED = 20261123
_RATE = 6  # frames a second
_BRIGHTNESSES = 4
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


def every_film(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """All films of shapes, each once: uint8 [n, frames, 8, 8, 1], and the number of the figure in each."""
    room = range(6)
    which = np.array(list(itertools.product(range(len(FIGURES)), range(1, 1 + _BRIGHTNESSES), room, room, range(len(VELOCITIES)))))
    sprites = FIGURES[which[:, 0]] * which[:, 1, None, None].astype(np.uint8)
    made = films(sprites, which[:, 2:4], np.array(VELOCITIES)[which[:, 4]], frames, 8)
    _, first = np.unique(made.reshape(len(made), -1), axis=0, return_index=True)
    first = np.sort(first)
    return made[first], which[first, 0].astype(np.int32)


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
    known, label = every_film(frames)
    splits = hold_out(ArrayRows({"array": known, "label": label}))
    sizes = len(splits["train"]), len(splits["eval"])
    spec = DataSpec(f"moving:{argument}", "array", known.shape[1:], 1 + _BRIGHTNESSES, len(FIGURES), *sizes)
    return Source(spec, splits, medium=Frames(_RATE), figures=figures(frames, known))


def _digits(argument: str, frames: int) -> Source:
    digits, side = open_digits(), 12

    def rows(split: str, size: int, seed: int) -> ArrayRows:
        random, still = np.random.RandomState([_SEED, seed]), digits.splits[split]
        found: Arrays = still.rows(random.randint(len(still), size=size))
        start, velocity = random.randint(side - 7, size=(size, 2)), np.array(VELOCITIES)[random.randint(len(VELOCITIES), size=size)]
        return ArrayRows({"array": films(found["image"][..., 0], start, velocity, frames, side), "label": found["label"]})

    spec = DataSpec(f"moving:{argument}", "array", (frames, side, side, 1), digits.spec.levels, 10, TRAIN_SIZE, EVAL_SIZE)
    return Source(spec, {"train": rows("train", TRAIN_SIZE, 0), "eval": rows("eval", EVAL_SIZE, 1)}, medium=Frames(_RATE))


KINDS: dict[str, Callable[[str, int], Source]] = {"shapes": _shapes, "digits": _digits}
