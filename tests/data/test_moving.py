"""Films that are made up. Oracles: a ball that bounces step by step, and what happens to a film that is spoilt."""

import numpy as np
import pytest

from genjax.data import moving
from genjax.data.sources import open_source
from genjax.data.words import DIGITS
from genjax.errors import UsageError


@pytest.fixture(scope="module")
def shapes():
    return open_source("moving:shapes")


@pytest.fixture(scope="module")
def held_out(shapes):
    return shapes.splits["eval"].rows(np.arange(40))


@pytest.mark.parametrize("room", [2, 5, 6])
def test_what_moves_bounces_off_both_ends(room):
    for start in range(room):
        for velocity in (-1, 0, 1):
            place, step, expected = start, velocity, []
            for _ in range(12):
                expected.append(place)
                if not 0 <= place + step < room:
                    step = -step
                place += step
            np.testing.assert_array_equal(moving.path(np.array(start), np.array(velocity), 12, room), expected)


def test_a_film_is_its_sprite_where_it_is():
    random = np.random.default_rng(0)
    sprites, start, velocity = random.integers(1, 9, (4, 3, 3)).astype(np.uint8), random.integers(0, 6, (4, 2)), random.integers(-1, 2, (4, 2))
    made = moving.films(sprites, start, velocity, 5, 8)
    assert made.shape == (4, 5, 8, 8, 1) and made.dtype == np.uint8
    for n, frame in np.ndindex(4, 5):
        y, x = (int(moving.path(start[n, axis], velocity[n, axis], 5, 6)[frame]) for axis in (0, 1))
        expected = np.zeros((8, 8))
        expected[y : y + 3, x : x + 3] = sprites[n]
        np.testing.assert_array_equal(made[n, frame, :, :, 0], expected)


def test_shapes_are_all_films_once(shapes):
    known, label, _ = moving.every_film(6)
    assert len({film.tobytes() for film in known}) == len(known) == shapes.spec.train_size + shapes.spec.eval_size
    assert (shapes.spec.shape, shapes.spec.levels, shapes.spec.num_classes) == ((6, 8, 8, 1), 5, 5)
    assert known.max() == 4
    rows = {split: shapes.splits[split].rows(np.arange(len(shapes.splits[split])))["array"] for split in ("train", "eval")}
    assert not {film.tobytes() for film in rows["train"]} & {film.tobytes() for film in rows["eval"]}
    for number, figure in enumerate(moving.FIGURES):
        assert {tuple(np.unique(film)[1:]) for film in known[label == number]} == {(1,), (2,), (3,), (4,)}
        assert (np.count_nonzero(known[label == number], axis=(2, 3, 4)) == figure.sum()).all()


def test_a_caption_says_what_can_be_seen(shapes, held_out):
    """Brightness is the highest level, the figure its pixels, and the way what becomes of the centre."""
    for film, said in zip(held_out["array"][..., 0], held_out["caption"], strict=True):
        bright, figure, way = shapes.language.decode(said).split()
        assert bright == moving.BRIGHTNESSES[film.max() - 1]
        pixels = film[0][film[0].any(axis=1)][:, film[0].any(axis=0)] > 0
        np.testing.assert_array_equal(pixels, moving.FIGURES[moving.NAMES.index(figure)])
        places = [np.argwhere(frame).mean(axis=0) for frame in film]
        down, across = (len({place[axis] for place in places}) > 1 for axis in (0, 1))
        assert way == {(False, True): "sideways", (True, False): "vertically", (True, True): "diagonally"}[down, across]


def test_films_are_judged_by_what_is_said_of_them(shapes, held_out):
    found = shapes.prompts.judge(held_out["caption"], held_out["array"])
    assert found.valid.all() and found.follow.all() and set(found.error) == {"none"}
    others = shapes.prompts.judge(np.roll(held_out["caption"], 1, axis=0), held_out["array"])
    same = (held_out["caption"] == np.roll(held_out["caption"], 1, axis=0)).all(axis=1)
    np.testing.assert_array_equal(others.follow, same)
    spoilt = held_out["array"].copy()
    spoilt[0, 2] = 0
    found = shapes.prompts.judge(held_out["caption"], spoilt)
    assert not found.valid[0] and not found.follow[0] and found.error[0] == "no such film" and found.follow[1:].all()


def test_a_part_of_a_caption_can_be_asked_for(shapes, held_out):
    asked = shapes.prompts.encode("ring")
    found = shapes.prompts.judge(np.tile(asked, (40, 1)), held_out["array"])
    np.testing.assert_array_equal(found.follow, held_out["label"] == moving.NAMES.index("ring"))
    assert set(found.error) == {"none", "figure"} and shapes.prompts.category(asked) == "any way"
    assert shapes.prompts.category(held_out["caption"][0]) in moving.WAYS
    strip = shapes.prompts.pictures(held_out["array"][:1])
    np.testing.assert_array_equal(strip[0, :, 8:16, 0], 63 * held_out["array"][0, 1, :, :, 0])


def test_figures_find_nothing_wrong_with_films_of_the_data(shapes, held_out):
    assert set(shapes.figures(held_out["array"]).values()) == {1.0}


def test_figures_find_what_is_spoilt(shapes, held_out):
    films = held_out["array"].copy()
    films[0, 2] = 4 - films[0, 2]  # a frame that shows nothing
    films[1, 1] = films[1, 0]  # it stands still, and jumps
    films[2, 3] = films[2, 3] // films[2].max() * (films[2].max() % 4 + 1)  # it changes its brightness
    told = shapes.figures(films)
    assert told["frames that show a figure"] == pytest.approx(1 - 1 / 240)
    assert told["films that keep it"] == pytest.approx(1 - 2 / 40)
    assert told["films that move as they should"] == pytest.approx(1 - 3 / 40)
    assert set(shapes.figures(np.zeros_like(films)).values()) == {0.0}


def test_digits_are_those_of_their_split():
    source, digits = open_source("moving:digits/frames=3"), open_source("digits")
    assert (source.spec.shape, source.spec.levels, source.spec.num_classes) == ((3, 12, 12, 1), 17, 10)
    for split in ("train", "eval"):
        known = {
            digit.tobytes(): label for digit, label in zip(*digits.splits[split].rows(np.arange(len(digits.splits[split]))).values(), strict=True)
        }
        rows = source.splits[split].rows(np.arange(20))
        for film, label, said in zip(rows["array"], rows["label"], rows["caption"], strict=True):
            assert source.language.decode(said).split()[0] == DIGITS[label]
            for frame in film:
                windows = [np.ascontiguousarray(frame[y : y + 8, x : x + 8]).tobytes() for y, x in np.ndindex(5, 5)]
                assert any(known.get(window) == label for window in windows)
                assert frame.astype(int).sum() == film[0].astype(int).sum(), "nothing is cut off"


def test_wrong_names():
    with pytest.raises(UsageError, match="did you mean 'shapes'"):
        open_source("moving:shape")


def test_a_digit_that_moves_is_the_same_at_the_end_and_another_is_not():
    films = open_source("moving:digits").splits["eval"].rows(np.arange(100))["array"]
    told = moving.kept(films)
    assert told["likeness of the last frame to the first"] == pytest.approx(1, abs=1e-9)
    assert told["films that end as they began"] == 1
    swapped = films.copy()
    swapped[:, -1] = np.roll(films[:, -1], 1, axis=0)
    told = moving.kept(swapped)
    assert told["likeness of the last frame to the first"] < 0.85 and told["films that end as they began"] < 0.05


def test_likeness_is_the_largest_cosine_over_all_shifts():
    """By brute force, with what is shifted out of the picture lost."""
    films = np.random.default_rng(0).integers(0, 17, (2, 3, 4, 5, 1))

    def best(a, b):
        padded = np.pad(b, ((4, 4), (5, 5)))
        return max(np.sum(a * padded[y : y + 4, x : x + 5]) for y in range(9) for x in range(11)) / np.linalg.norm(a) / np.linalg.norm(b)

    expected = np.mean([best(film[0, ..., 0], film[-1, ..., 0]) for film in films])
    assert moving.kept(films)["likeness of the last frame to the first"] == pytest.approx(expected, rel=1e-12)
