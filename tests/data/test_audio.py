"""Sound from WAV files. Oracles: G.711's constants, the inverse, and files written by the test."""

import io
import os
import tarfile
import wave
from pathlib import Path

import numpy as np
import pytest

from genjax.data.audio import LEVELS, to_amplitude, to_levels
from genjax.data.sources import open_source
from genjax.errors import DataError, UsageError


def wav(values, *, rate=2000, channels=1, width=2):
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.asarray(values, "<i2" if width == 2 else np.uint8).tobytes())
    return content.getvalue()


def tone(count, rate, hertz):
    return np.round(20000 * np.sin(2 * np.pi * hertz * np.arange(count) / rate))


@pytest.fixture
def folder(tmp_path):
    for label in range(3):
        for take in range(4):
            (tmp_path / f"{label}_ann_{take}.wav").write_bytes(wav(tone(1000 + 50 * take, 2000, 100 * (label + 1))))
    return tmp_path


def test_levels_are_even_steps_of_the_companded_amplitude():
    levels = np.arange(LEVELS, dtype=np.uint8)
    np.testing.assert_array_equal(to_levels(to_amplitude(levels)), levels)
    np.testing.assert_array_equal(to_levels([-1, 1, -7, 7, 0]), [0, 255, 0, 255, 128])
    # F(a) = ln(1 + 255 |a|) / ln 256: 15/255 is half of the way, 3/255 a quarter.
    np.testing.assert_allclose(to_amplitude(np.array([127.5 * 1.5, 127.5 * 1.25, 127.5 * 0.5])), [15 / 255, 3 / 255, -15 / 255], rtol=1e-12)
    a = np.linspace(-1, 1, 1001)
    assert np.all(np.abs(to_amplitude(to_levels(a)) - a) <= 0.5 * (1 / 255 + np.abs(a)) * (np.log(256) * 2 / 255) * 1.05)


def test_a_folder_of_clips(folder):
    source = open_source(f"audio:{folder}@rate=2000/length=1100")
    spec = source.spec
    assert (spec.key, spec.shape, spec.levels, spec.num_classes, spec.train_size, spec.eval_size) == ("array", (1100, 1), 256, 3, 11, 1)
    rows = source.splits["train"].rows(np.arange(11))
    assert (rows["array"].dtype, rows["label"].dtype) == (np.uint8, np.int32)
    for clip, label in zip(rows["array"], rows["label"], strict=True):
        count = 1100 - int(np.argmax(clip[::-1, 0] != 128)) if (clip[-1] == 128).all() else 1100
        assert 990 <= count <= 1100
        heard = source.shown.wave(clip[:1000, 0])
        assert np.abs(np.fft.rfft(heard)).argmax() == 50 * (label + 1), "the loudest of 1000 values at 2 kHz are 2 Hz apart"
        assert np.abs(heard).max() > 0.97


def test_clips_are_resampled_cut_and_mixed_to_one_channel(tmp_path):
    left = tone(8000, 8000, 250)
    (tmp_path / "a.wav").write_bytes(wav(np.stack([left, np.zeros(8000)], axis=1).reshape(-1), rate=8000, channels=2))
    (tmp_path / "b.wav").write_bytes(wav(128 + np.round(tone(2000, 2000, 250) / 256), width=1))
    source = open_source(f"audio:{tmp_path}@length=512")
    heard = [source.shown.wave(source.splits[split].rows(np.arange(1))["array"][0, :, 0]) for split in ("train", "eval")]
    assert source.spec.num_classes == 0 and source.shown.rate == 2000
    for each in heard:
        assert np.abs(np.fft.rfft(each)).argmax() == 64  # 250 Hz are 64 periods in 512 values
    np.testing.assert_allclose(heard[0][50:], heard[1][50:], atol=0.08)  # beyond the filter's first values


def test_silence_is_silence(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.wav").write_bytes(wav(np.zeros(10)))
    source = open_source(f"audio:{tmp_path}@length=16")
    assert (source.splits["train"].rows(np.arange(1))["array"] == 128).all()


def test_spoken_digits_hold_out_the_first_five_recordings(tmp_path):
    (tmp_path / "spoken_digit").mkdir()
    with tarfile.open(tmp_path / "spoken_digit" / "digits.tar.gz", "w:gz") as archive:
        for label in (3, 7):
            for take in range(8):
                content = wav(tone(100 + take, 2000, 300))
                member = tarfile.TarInfo(f"set/recordings/{label}_ann_{take}.wav")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    source = open_source("spoken_digit:length=256", str(tmp_path))
    assert (source.spec.train_size, source.spec.eval_size, source.spec.num_classes, source.spec.shape) == (6, 10, 8, (256, 1))
    rows = source.splits["eval"].rows(np.arange(10))
    said = [source.language.decode(caption) for caption in rows["caption"]]
    assert said == [f"{ {3: 'three', 7: 'seven'}[label] } ann" for label in rows["label"].tolist()]
    lengths = [len(np.trim_zeros(row[:, 0].astype(int) - 128, "b")) for row in source.splits["eval"].rows(np.arange(10))["array"]]
    assert max(lengths) <= 104 < min(len(np.trim_zeros(r[:, 0].astype(int) - 128, "b")) for r in source.splits["train"].rows(np.arange(6))["array"])


def test_spoken_digits_that_are_called_otherwise(tmp_path):
    (tmp_path / "spoken_digit").mkdir()
    with tarfile.open(tmp_path / "spoken_digit" / "digits.tar.gz", "w:gz") as archive:
        content = wav(tone(100, 2000, 300))
        member = tarfile.TarInfo("set/three.wav")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    with pytest.raises(DataError, match="not called as those"):
        open_source("spoken_digit:length=256", str(tmp_path))


def test_an_archive_is_read_where_it_lies_and_its_links_are_not_followed(tmp_path):
    """Members whose names or links lead out of the folder: their content is data, nothing is written, and no other file is read."""
    (tmp_path / "secret.wav").write_bytes(wav(tone(300, 2000, 100)))
    (tmp_path / "here").mkdir()
    with tarfile.open(tmp_path / "here" / "set.tar", "w") as archive:
        for name in ("../../out.wav", "/out.wav"):
            content = wav(np.zeros(300))
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            member = tarfile.TarInfo(f"link{kind.decode()}.wav")
            member.type, member.linkname = kind, "../secret.wav"
            archive.addfile(member)
    before = sorted(tmp_path.rglob("*"))
    source = open_source(f"audio:{tmp_path / 'here' / 'set.tar'}@length=16")
    assert source.spec.train_size + source.spec.eval_size == 2
    assert all((rows.rows(np.arange(1))["array"] == 128).all() for rows in source.splits.values()), "silence, and not the secret"
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/out.wav").exists()


@pytest.mark.slow
def test_the_published_spoken_digits():
    folder = Path(os.environ.get("GENJAX_DATA_DIR", "../shared/data"))
    if not list(folder.glob("sources/spoken_digit/*.tar.gz")):
        pytest.skip("the archive of spoken digits is not at hand")
    source = open_source("spoken_digit", str(folder))
    assert (source.spec.train_size, source.spec.eval_size, source.spec.num_classes) == (2250, 250, 10)
    assert (np.bincount(source.splits["eval"].rows(np.arange(250))["label"]) == 25).all()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [("a.wav", b"RIFF", "a.wav is no WAV file"), ("a.txt", b"", "no WAV files are in it"), ("a.wav", wav([0] * 9, width=1), "needs at least 2")],
)
def test_what_is_no_sound(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        open_source(f"audio:{tmp_path}")


def test_what_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"no spoken_digit/\*.tar.gz"):
        open_source("spoken_digit", str(tmp_path))
    with pytest.raises(DataError, match="cannot be read as a folder or a tar archive"):
        open_source(f"audio:{tmp_path / 'none.tar'}")
    with pytest.raises(UsageError, match="rate is a whole number"):
        open_source("spoken_digit:rate=fast", str(tmp_path))
    with pytest.raises(UsageError, match="needs a folder"):
        open_source("audio:")
