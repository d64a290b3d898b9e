"""Sound in mu-law levels, read from WAV files in a folder or a tar archive by the standard library.

    spoken_digit              the Free Spoken Digit Dataset as it was published (one tar.gz), in `spoken_digit` under the data folder
    audio:PATH                your own files, `<label>_anything.wav`, in a folder or a tar archive

A clip is one channel at `rate` values a second (its channels' mean, resampled), as loud as its loudest value allows, cut or filled with silence to
`length` values; `spoken_digit:rate=2000/length=1024` are the defaults, and `audio:PATH@rate=4000/length=4096` is how they are set there. Then

    level = round( (1 + sign(a) ln(1 + mu |a|) / ln(1 + mu)) mu / 2 ),      mu = 255                                       (1)

of the amplitude a in [-1, 1] (ITU-T G.711, in its continuous form): even steps of what the ear hears. The held-out spoken digits are the recordings
0 to 4 of each speaker and digit, as their authors say; of other files a fixed tenth is held out.
"""

from __future__ import annotations

import dataclasses
import io
import os
import re
import tarfile
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genjax.data.base import ArrayRows, Arrays, Sound, Source, Subset, fixed_permutation, hold_out
from genjax.data.options import read_options
from genjax.data.words import DIGITS, Words
from genjax.errors import DataError, UsageError
from genjax.types import DataSpec

LEVELS = 256
MU = LEVELS - 1
_SEED = 20261122
DEFAULTS = {"rate": 2000, "length": 1024}


def to_levels(amplitude: np.ndarray) -> np.ndarray:
    """Equation (1): uint8 of amplitudes; those beyond [-1, 1] get the end levels."""
    a = np.clip(np.asarray(amplitude, np.float64), -1, 1)
    return np.round((1 + np.sign(a) * np.log1p(MU * np.abs(a)) / np.log1p(MU)) * MU / 2).astype(np.uint8)


def to_amplitude(levels: np.ndarray) -> np.ndarray:
    """The inverse of equation (1): float64 in [-1, 1]."""
    y = np.asarray(levels, np.float64) * 2 / MU - 1
    return np.sign(y) * np.expm1(np.abs(y) * np.log1p(MU)) / MU


def open_spoken_digit(argument: str, data_dir: str | None = None) -> Source:
    """Clips uint8 [n, T, 1] in 256 levels, `label` int32 [n], the digit, and `caption` int32 [n, 2], the digit and who says it.

    Args:
      argument: "", or options as in the module's text.
      data_dir: the folder that holds `spoken_digit` or `sources/spoken_digit`; None means $GENJAX_DATA_DIR.

    Raises:
      UsageError: an option that is none.
      DataError: the archive is not there or damaged.
    """
    options = read_options(f"spoken_digit:{argument}", argument, DEFAULTS)
    folder = Path(data_dir or os.environ.get("GENJAX_DATA_DIR") or ".").expanduser()
    found = [path for inner in ("spoken_digit", "sources/spoken_digit") for path in sorted((folder / inner).glob("*.tar.gz"))]
    if not found:
        raise DataError(
            f"spoken_digit: no spoken_digit/*.tar.gz in {folder}; put the archive of the Free Spoken Digit Dataset there and name the folder by "
            "data.dir or GENJAX_DATA_DIR"
        )
    names, rows = _clips(str(found[0]), options)
    parts = [re.fullmatch(r"(\d)_([a-z]+)_(\d+)", Path(name).stem) for name in names]
    if not all(parts):
        raise DataError(f"{found[0]}: its files are not called as those of the Free Spoken Digit Dataset, 3_name_0.wav")
    digits, speakers, numbers = zip(*(part.groups() for part in parts if part), strict=True)
    words = Words.of((*DIGITS, *sorted({*speakers})), 2)
    said = np.stack([words.number([DIGITS[int(digit)], speaker]) for digit, speaker in zip(digits, speakers, strict=True)])
    rows, number = ArrayRows(rows.arrays | {"caption": said}), np.array(numbers, int)
    held_out = np.flatnonzero(number <= 4)
    mixed = held_out[fixed_permutation(len(held_out), _SEED)]  # the first are of all digits
    splits = {"train": Subset(rows, np.flatnonzero(number > 4)), "eval": Subset(rows, mixed)}
    return _source("spoken_digit" + (":" + argument if argument else ""), rows, splits, options, words)


def open_audio(argument: str, data_dir: str | None = None) -> Source:
    """The same of a folder's or an archive's own WAV files; `label` where all names begin with a number and "_".

    Raises:
      UsageError: no file is named, or an option is none.
      DataError: there are no such files, or they are damaged.
    """
    path, _, given = argument.partition("@")
    if not path:
        raise UsageError("data source 'audio' needs a folder or an archive: audio:path/to/folder")
    options = read_options(f"audio:{argument}", given, DEFAULTS)
    names, rows = _clips(path, options)
    if len(names) < 2:
        raise DataError(f"{path}: it holds 1 WAV file, and holding some out needs at least 2")
    return _source(f"audio:{argument}", rows, hold_out(rows), options)


def _source(name: str, rows: ArrayRows, splits: dict, options: dict[str, int], words: Words | None = None) -> Source:
    classes = int(rows.arrays["label"].max()) + 1 if "label" in rows.arrays else 0
    sizes = len(splits["train"]), len(splits["eval"])
    spec = DataSpec(name, "array", (options["length"], 1), LEVELS, classes, *sizes)
    if words is not None:
        spec = dataclasses.replace(spec, words=len(words.known), caption_length=words.length)
    return Source(spec, splits, medium=Sound(options["rate"], to_amplitude), words=words)


def _clips(path: str, options: dict[str, int]) -> tuple[list[str], ArrayRows]:
    """The names of the WAV files of a folder or an archive, sorted, and their clips."""
    read = sorted(_files(path))
    if not read:
        raise DataError(f"{path}: no WAV files are in it")
    names = [name for name, _ in read]
    clips = np.stack([_clip(path, name, content, **options) for name, content in read])
    arrays: Arrays = {"array": to_levels(clips)[..., None]}
    labels = [re.match(r"(\d+)_", Path(name).name) for name in names]
    if all(labels):
        arrays["label"] = np.array([int(label[1]) for label in labels if label], np.int32)
    return names, ArrayRows(arrays)


def _files(path: str) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every WAV file."""
    try:
        if Path(path).is_dir():
            for file in Path(path).rglob("*.wav"):
                yield str(file.relative_to(path)), file.read_bytes()
            return
        with tarfile.open(path) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.name.endswith(".wav") and member.isfile() else None
                if content is not None:
                    yield member.name, content.read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(f"{path}: cannot be read as a folder or a tar archive of WAV files ({error}): give the path that it has here") from error


def _clip(path: str, name: str, content: bytes, rate: int, length: int) -> np.ndarray:
    """Amplitudes [length] of a WAV file."""
    from scipy.signal import resample_poly

    try:
        with wave.open(io.BytesIO(content)) as sound:
            width, channels, original = sound.getsampwidth(), sound.getnchannels(), sound.getframerate()
            raw = sound.readframes(sound.getnframes())
    except (wave.Error, EOFError) as error:
        raise DataError(f"{path}: {name} is no WAV file of plain PCM ({error})") from error
    if width not in (1, 2):
        raise DataError(f"{path}: {name} has {8 * width} bits a value; give 8 or 16")
    values = np.frombuffer(raw, np.uint8).astype(np.float64) - 128 if width == 1 else np.frombuffer(raw, "<i2").astype(np.float64)
    mono = values.reshape(-1, channels).mean(axis=1)
    mono = (resample_poly(mono, rate, original) if len(mono) else mono)[:length]
    loudest = np.abs(mono).max(initial=0.0)
    return np.pad(mono / loudest if loudest else mono, (0, length - len(mono)))
