"""How samples of every medium are shown. Oracles: tones whose frequency is known, files read back, dots asked for their place."""

import io
import wave

import numpy as np
import pytest
from PIL import Image

from genjax.data.audio import to_amplitude, to_levels
from genjax.data.base import ArrayRows, Cloud, Frames, Sound, Source
from genjax.errors import UsageError
from genjax.evaluation import edits, media, pictures
from genjax.types import DataSpec


def source(data, levels, medium=None, key="array"):
    rows = ArrayRows({key: data})
    return Source(DataSpec("toy", key, data.shape[1:], levels, 0, len(data), len(data)), {"train": rows, "eval": rows}, medium=medium)


FILMS = np.random.default_rng(0).integers(0, 5, (6, 4, 3, 3, 1)).astype(np.uint8)
SOUND = Sound(1000, to_amplitude)


def test_images_are_shown_as_they_are():
    images = np.random.default_rng(0).integers(0, 6, (7, 3, 4, 3)).astype(np.uint8)
    shown = source(images, 6, key="image")
    np.testing.assert_array_equal(media.sheet(shown, images, 3, height=7), pictures.sheet(images, shown.spec, 3, height=7))


def test_tokens_are_not_shown():
    assert source(np.zeros((2, 4), np.int32), 3, key="tokens").shown is None


@pytest.mark.parametrize("bins", [4, 10])
def test_the_loudest_of_a_spectrogram_is_the_tone(bins):
    tone = np.sin(2 * np.pi * bins / 64 * np.arange(512))
    decibels = media.spectrogram(np.stack([tone, np.zeros(512)]))
    assert decibels.shape == (2, 33, 33)
    assert (decibels[0].argmax(axis=0)[2:-2] == 32 - bins).all(), "low frequencies are at the bottom"
    assert abs(decibels[0].max()) < 1e-9 and (decibels[0, 32 - bins - 3] < -40)[3:-3].all()  # Hann's window has no more than 2 bins beside


def test_sounds_are_heard_one_after_the_other(tmp_path):
    amplitude = np.random.default_rng(0).uniform(-1, 1, (3, 50))
    data = to_levels(amplitude)[..., None]
    written = media.write(source(data, 256, SOUND), data, 10, tmp_path / "sounds")
    assert [path.name for path in written] == ["sounds.png", "sounds.wav"]
    with wave.open(str(written[1])) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (1000, 1, 2)
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(3, 150)
    np.testing.assert_array_equal(heard[:, :50], np.round(32767 * to_amplitude(data[..., 0])))
    assert not heard[:, 50:].any()


def test_films_are_strips_and_move(tmp_path):
    shown = source(FILMS, 5, Frames(5))
    strips = media.still(shown, FILMS)
    assert strips.shape == (6, 3, 4 * 4 - 1, 1)
    for n, frame, y, x in np.ndindex(6, 4, 3, 3):
        assert strips[n, y, 4 * frame + x, 0] == round(int(FILMS[n, frame, y, x, 0]) * 255 / 4)
    written = media.write(shown, FILMS, 10, tmp_path / "films")
    assert [path.name for path in written] == ["films.png", "films.gif"]
    with Image.open(io.BytesIO(written[1].read_bytes())) as gif:
        assert (gif.n_frames, gif.info["duration"]) == (4, 200)
        for frame in range(4):
            gif.seek(frame)
            expected = pictures.sheet(FILMS[:, frame], shown.spec, 3, height=80)
            np.testing.assert_array_equal(np.asarray(gif.convert("L")), expected)


def test_points_are_dots_where_they_are():
    """In the plane: x to the right, y up, the corners in the corners; few with all around. One point a row: all rows in one picture."""
    data = np.array([[[0, 0], [127, 10]], [[127, 127], [0, 127]]], np.uint8)
    places = {(0, 127, 0), (0, 117, 127), (1, 0, 127), (1, 0, 0)}

    def dark(data):
        clouds = media.still(source(data, 128, Cloud()), data)[..., 0]
        return clouds, {(n, *map(int, at)) for n in range(2) for at in np.argwhere(clouds[n] < 255)}

    assert dark(np.repeat(data, 128, axis=1))[1] == places
    clouds, found = dark(data)
    around = {(n, y + down, x + right) for n, y, x in places for down in (-1, 0, 1) for right in (-1, 0, 1)}
    assert found == {(n, y, x) for n, y, x in around if 0 <= y < 128 and 0 <= x < 128}
    assert len({*clouds[clouds < 255].tolist()}) == 1, "no dot is darker at the edge"
    single = media.still(source(data.reshape(4, 1, 2), 128, Cloud()), data.reshape(4, 1, 2))
    np.testing.assert_array_equal(single[0, ..., 0], np.minimum(*clouds))


def test_the_view_of_a_space_is_a_rotation():
    """So nothing is stretched; the corners of the cube fit into the picture."""
    np.testing.assert_allclose(media._VIEW @ media._VIEW.T, np.eye(3), atol=1e-12)
    corners = np.array([[(63 * x, 63 * y, 63 * z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]], np.uint8)
    assert np.count_nonzero(media.still(source(corners, 64, Cloud()), corners) < 255) >= 6


def test_wide_pictures_stand_in_fewer_columns():
    films = np.zeros((12, 40, 8, 40, 1), np.uint8)
    assert media.sheet(source(films, 2, Frames(5)), films, 10).shape[1] < 10_000


# ---- what is drawn anew --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("1,3", (range(1, 3), range(5), range(6))),
        ("0,1,2,4", (range(2), range(1, 4), range(6))),
        ("1,2,3,2,5,6", (range(1, 2), range(2, 5), range(3, 6))),
    ],
)
def test_a_box_begins_and_ends_along_each_axis(text, box):
    region = edits.read_region(text, DataSpec("toy", "array", (4, 5, 6, 1), 2, 0, 1, 1))
    for at in np.ndindex(4, 5, 6):
        assert region[at][0] == all(place in side for place, side in zip(at, box, strict=True))


@pytest.mark.parametrize("text", ["1", "1,2,3", "2,1", "0,5", "a,b", "0,0,0,0,4,5,6,7"])
def test_what_is_no_box(text):
    with pytest.raises(UsageError, match=f"--redraw={text}"):
        edits.read_region(text, DataSpec("toy", "array", (4, 5, 6, 1), 2, 0, 1, 1))


def test_before_and_after_of_films():
    keep = np.zeros((4, 1, 1, 1), bool)
    keep[:2] = True
    picture = edits.before_and_after(FILMS, keep, FILMS[::-1], source(FILMS, 5, Frames(5)))
    factor, gap = 21, 10  # strips of 3 x 15 pixels, three rows of six
    assert picture.shape == (3 * (3 * factor + gap) - gap, 6 * (15 * factor + gap) - gap)
    first = picture[: 3 * factor, : 15 * factor : factor], picture[3 * factor + gap :][: 3 * factor, : 15 * factor : factor]
    np.testing.assert_array_equal(first[0][:, :7], first[1][:, :7])
    assert (np.delete(first[1][:, 8:], 3, axis=1) == 128).all(), "what is drawn anew is gray"
