"""What people look at and listen to: rows of any medium as a sheet of pictures, and as sound or moving pictures beside it.

A medium (`data.base.Medium`) is a property of the data; here is what becomes of each. A new one is a record there and a line in `STILLS` here, and in
`RECORDINGS` if there is something to hear or to watch.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import math
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from genjax.data.base import Cloud, Frames, Pictures, Several, Sound, Source
from genjax.evaluation import pictures
from genjax.types import DataSpec

_WIDEST = 1600  # dots across a sheet whose pictures are not the data themselves
_ALONE = 256  # dots that its only picture is about high
_FEW = 256  # points of a cloud whose dots are larger
_PAUSE = 0.1  # seconds between sounds
_RANGE = 60.0  # decibels from white to black in a spectrogram


def sheet(source: Source, data: np.ndarray, columns: int, *, height: int = 40) -> np.ndarray:
    """Rows [n, ...] as one picture, as in `pictures.sheet`; fewer columns where the pictures of a medium are wide."""
    source, data = source.plain, source.decoded(data)
    stills = still(source, data)
    if not isinstance(source.shown, Pictures):
        height = height if len(stills) > 1 else _ALONE
        factor = max(1, height // stills.shape[1])
        columns = max(1, min(columns, len(stills), _WIDEST // (factor * stills.shape[2])))
    return pictures.sheet(stills, _shades(source.spec), columns, height=height)


def still(source: Source, data: np.ndarray) -> np.ndarray:
    """Rows [n, ...] as pictures uint8 [n, H, W, 1 or 3]; clouds of one point make one picture."""
    source, data = source.plain, source.decoded(data)
    medium = source.shown
    assert medium is not None, "data that are shown have a medium"
    return STILLS[type(medium)](medium, np.asarray(data), source.spec)


def write(source: Source, data: np.ndarray, columns: int, stem: Path) -> list[Path]:
    """Writes the sheet as PNG, and what there is to hear or to watch, beside one another; returns their paths."""
    contents = {".png": _png(sheet(source, data, columns))} | recordings(source, data)
    paths = [stem.with_name(stem.name + ending) for ending in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        path.write_bytes(content)
    return paths


def recordings(source: Source, data: np.ndarray) -> dict[str, bytes]:
    """What there is to hear or to watch in rows [n, ...]: how the file's name ends -> its content."""
    source, data = source.plain, source.decoded(data)
    record = RECORDINGS.get(type(source.shown))
    return {} if record is None else record(source.shown, np.asarray(data), source.spec)


def spectrogram(amplitude: np.ndarray, window: int = 64) -> np.ndarray:
    """Power in decibels below the loudest [n, window / 2 + 1, frames] of amplitudes [n, T], Hann windows a quarter apart; low frequencies last."""
    padded = np.pad(amplitude, ((0, 0), (window // 2, window // 2)))
    parts = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, :: window // 4]
    power = np.abs(np.fft.rfft(parts * np.hanning(window + 1)[:-1], axis=-1)) ** 2
    loudest = np.maximum(power.max(axis=(1, 2), keepdims=True), 1e-12)
    return 10 * np.log10(np.maximum(power / loudest, 1e-12)).transpose(0, 2, 1)[:, ::-1]


def _sounds(medium: Sound, data: np.ndarray, spec: DataSpec) -> np.ndarray:
    below = np.clip(-spectrogram(medium.wave(data)[..., 0]) / _RANGE, 0, 1)
    return np.round(255 * below).astype(np.uint8)[..., None]


def _clouds(medium: Cloud, data: np.ndarray, spec: DataSpec, side: int = 128) -> np.ndarray:
    """Dark dots, larger ones where they are few; in three dimensions seen from the side and above, nearer ones darker."""
    points = np.asarray(data, np.float64) * (2 / (spec.levels - 1)) - 1
    points = points.reshape(1, -1, points.shape[-1]) if points.shape[1] == 1 else points
    shade = np.full(points.shape[:2], 0.35)
    if points.shape[-1] == 3:
        turned = points @ _VIEW.T / math.sqrt(2)
        points, depth = turned[..., :2], turned[..., 2]
        shade = 0.25 + 0.25 * (1 - depth)
    cells = np.clip(np.round((points + 1) * (side - 1) / 2), 0, side - 1).astype(int)
    light = np.ones((len(points), side + 2, side + 2))  # with an edge that dots may reach into
    rows = np.broadcast_to(np.arange(len(points))[:, None], cells.shape[:2])
    reach = range(-1, 2) if cells.shape[1] < _FEW else range(1)
    for down, right in itertools.product(reach, reach):
        np.multiply.at(light, (rows, side - cells[..., 1] + down, 1 + cells[..., 0] + right), 1 - shade)
    return np.round(255 * light[:, 1:-1, 1:-1]).astype(np.uint8)[..., None]


def _turn(axes: tuple[int, int], angle: float) -> np.ndarray:
    matrix, (a, b) = np.eye(3), axes
    matrix[a, a] = matrix[b, b] = math.cos(angle)
    matrix[a, b], matrix[b, a] = -math.sin(angle), math.sin(angle)
    return matrix


_VIEW = _turn((1, 2), math.radians(-60)) @ _turn((0, 1), math.radians(30))


def _strips(medium: Frames, data: np.ndarray, spec: DataSpec) -> np.ndarray:
    """The frames of a film from left to right."""
    shown = np.pad(pictures.to_uint8(data, spec.levels), ((0, 0), (0, 0), (0, 0), (0, 1), (0, 0)), constant_values=255)
    count, frames, high, wide, channels = shown.shape
    return shown.transpose(0, 2, 1, 3, 4).reshape(count, high, frames * wide, channels)[:, :, :-1]


def _one_below_another(medium: Several, data: np.ndarray, spec: DataSpec) -> np.ndarray:
    """The pictures of the parts, one below another."""
    each = [still(part, rows) for part, rows in zip(medium.parts, spec.split(data), strict=True)]
    wide, channels = (max(shown.shape[axis] for shown in each) for axis in (2, 3))
    shown = [np.pad(part, ((0, 0), (0, 1), (0, wide - part.shape[2]), (0, 0)), constant_values=255) for part in each]
    return np.concatenate([np.broadcast_to(part, (*part.shape[:3], channels)) for part in shown], axis=1)[:, :-1]


STILLS: dict[type, Callable[[Any, np.ndarray, DataSpec], np.ndarray]] = {
    Pictures: lambda medium, data, spec: pictures.to_uint8(data, spec.levels),
    Cloud: _clouds,
    Frames: _strips,
    Sound: _sounds,
    Several: _one_below_another,
}


def _wav(medium: Sound, data: np.ndarray, spec: DataSpec) -> dict[str, bytes]:
    """All sounds one after the other, 16 bits."""
    heard = np.pad(medium.wave(data)[..., 0], ((0, 0), (0, round(_PAUSE * medium.rate)))).reshape(-1)
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(medium.rate)
        file.writeframes(np.round(32767 * np.clip(heard, -1, 1)).astype("<i2").tobytes())
    return {".wav": content.getvalue()}


def _gif(medium: Frames, data: np.ndarray, spec: DataSpec) -> dict[str, bytes]:
    """All films at once. A GIF needs no encoder that may not be there."""
    columns = math.ceil(math.sqrt(len(data)))
    shown = pictures.to_uint8(data, spec.levels)
    shots = [Image.fromarray(pictures.sheet(shown[:, frame], _shades(spec), columns, height=80)) for frame in range(shown.shape[1])]
    content = io.BytesIO()
    shots[0].save(content, format="GIF", save_all=True, append_images=shots[1:], duration=1000 // medium.rate, loop=0)
    return {".gif": content.getvalue()}


def _of_each(medium: Several, data: np.ndarray, spec: DataSpec) -> dict[str, bytes]:
    """Those of every part, with its name."""
    each = zip(medium.parts, spec.split(data), strict=True)
    return {f"_{part.spec.slug}{ending}": content for part, rows in each for ending, content in recordings(part, rows).items()}


RECORDINGS: dict[type, Callable[[Any, np.ndarray, DataSpec], dict[str, bytes]]] = {Sound: _wav, Frames: _gif, Several: _of_each}


def _shades(spec: DataSpec) -> DataSpec:
    """Of what is in 256 shades already."""
    return dataclasses.replace(spec, levels=256)


def _png(pixels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    return content.getvalue()
