"""The round trip of data through words. Oracles: a describer that knows, one that talks nonsense, and a drawer that knows all films."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from genjax.data.base import Several
from genjax.data.moving import every_film
from genjax.data.sources import open_source
from genjax.data.words import Words
from genjax.evaluation import describing
from genjax.evaluation.describing import Describer
from genjax.evaluation.following import held_out

COUNT = 40


@pytest.fixture(scope="module")
def source():
    return open_source("moving:shapes/frames=2")


@pytest.fixture(scope="module")
def drawer(source):
    """Draws another film of the caption that it is told, and noise where it is told nothing."""
    known = every_film(2)

    def draw(params, count, given):
        films = []
        for caption in given["caption"]:
            same = (known.caption == caption).all(axis=1)
            films.append(known.array[same][-1] if same.any() else np.full(source.spec.shape, 3, np.uint8))
        return SimpleNamespace(data=np.stack(films))

    return SimpleNamespace(run=SimpleNamespace(source=source, captioned=True), draw=draw)


def knows(source):
    captions = {film.tobytes(): said for film, said in zip(*every_film(2)[::2], strict=True)}
    return Describer(lambda data: [source.language.decode(captions[film.tobytes()]) for film in data])


def test_who_knows_the_words_and_the_films_loses_nothing(source, drawer):
    trip = describing.round_trip(drawer, None, knows(source), COUNT)
    assert (trip.said.value, trip.back.value, trip.strict.value) == (1.0, 1.0, 1.0)
    rows = held_out(source, COUNT)
    same = (rows["caption"] == np.roll(rows["caption"], 1, axis=0)).all(axis=1).mean()
    assert trip.by_chance.value == pytest.approx(same)


def test_true_words_that_say_less_are_true_and_what_comes_back_is_not(source, drawer):
    """Told "plus" only, the drawer draws nothing of the data."""
    trip = describing.round_trip(drawer, None, Describer(lambda data: ["plus"] * len(data)), COUNT)
    share = (held_out(source, COUNT)["label"] == 2).mean()
    assert (trip.said.value, trip.back.value) == (pytest.approx(share), 0.0)


def test_what_is_no_caption_is_wrong_and_stops_nothing(source, drawer):
    right = knows(source)
    trip = describing.round_trip(drawer, None, Describer(lambda data: ["blah", *right.say(data[1:])]), COUNT)
    assert (trip.said.value, trip.back.value) == (pytest.approx(1 - 1 / COUNT),) * 2


def test_without_an_oracle_a_describer_reads_what_is_drawn(source, drawer):
    """One who knows reads all words in what is drawn and in the data, and in another film those that both captions have."""
    run = SimpleNamespace(source=dataclasses.replace(source, prompts=None), captioned=True)
    found = describing.read(SimpleNamespace(run=run, draw=drawer.draw), None, knows(source), COUNT)
    captions = held_out(source, COUNT)["caption"]
    shared = np.mean([np.isin(mine, theirs).mean() for mine, theirs in zip(captions, np.roll(captions, -COUNT // 2, axis=0), strict=True)])
    assert (found["drawn"].words.value, found["held_out"].words.value, found["held_out"].right.value) == (1.0, 1.0, 1.0)
    assert found["by_chance"].words.value == pytest.approx(shared) and found["by_chance"].words.count == captions.size

    found = describing.read(SimpleNamespace(run=run, draw=drawer.draw), None, Describer(lambda data: ["blah " * 9] * len(data)), COUNT)
    assert {part.words.value for part in found.values()} == {0.0}


def test_words_are_counted_wherever_they_are_said(source):
    rows = held_out(source, COUNT)

    def draw(params, count, given, describe, turn):
        turned = rows["caption"][:count, ::-1].copy()
        turned[0] = rows["caption"][0]
        return SimpleNamespace(data=turned)

    found = describing.measure(SimpleNamespace(run=SimpleNamespace(source=source), draw=draw), None, COUNT)["all"]
    assert (found.right.value, found.words.value, found.words.count) == (1 / COUNT, 1.0, 3 * COUNT)
    assert "described by the words" in "\n".join(describing.lines(found)) and describing.record(found)["words"]["value"] == 1.0


def test_words_that_an_array_cannot_tell_are_neither_right_nor_wrong():
    expected = np.array([[1, 4, 7], [2, 5, 0], [3, 4, 7]])
    said = np.array([[1, 6, 0], [2, 0, 0], [1, 4, 7]])
    found = describing.compare(said, expected, np.array([1, 2, 3]))
    assert (found.right.value, found.words.value, found.words.count) == (pytest.approx(2 / 3), pytest.approx(2 / 3), 3)
    whole = describing.compare(said, expected)
    assert (whole.right.value, whole.words.value, whole.words.count) == (0.0, pytest.approx(4 / 8), 8)


def test_the_words_of_parts_are_those_that_all_of_them_know():
    named = open_source("together:moving:digits/frames=2+moving:digits/frames=3")
    few = dataclasses.replace(named.medium.parts[0], words=Words(("", "seven", "left"), 2))
    source = dataclasses.replace(named, words=Words(("", "left", "one", "seven", "sideways"), 3), medium=Several((few, named.medium.parts[1])))
    names = [part.name for part in named.spec.parts]
    of = lambda *which: [source.words.known[number] for number in describing.words_of(source, which)]
    assert of(names[0]) == ["", "left", "seven"] and of(names[1]) == ["", "one", "seven", "sideways"] and of(*names) == ["", "seven"]
