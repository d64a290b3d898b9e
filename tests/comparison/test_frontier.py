"""Frontiers: how settings are written, where two arms cross, what is at equal quality. Oracles: curves that are known."""

import io

import pytest
from PIL import Image

from genjax.comparison.figures import frontier_figure
from genjax.comparison.frontier import VALUES, Point, at_equal_quality, crossover, pareto, read, settings, text
from genjax.errors import UsageError
from genjax.evaluation.timing import BATCHES, Timing


def point(arm, quality, flops, seconds=lambda batch: 1.0):
    return Point(arm, {"a.steps": f"{flops:g}"}, {VALUES: quality}, flops, flops, flops, [Timing(batch, seconds(batch)) for batch in BATCHES])


def test_a_line_stands_for_every_combination_of_its_values():
    found = settings(["a.solver=ddim(eta=0.5,x=1),heun a.steps=1,2", "b.t=3"])
    assert [tuple(each.values()) for each in found] == [
        ("ddim(eta=0.5,x=1)", "1"),
        ("ddim(eta=0.5,x=1)", "2"),
        ("heun", "1"),
        ("heun", "2"),
        ("3",),
    ]
    assert set(found[0]) == {"a.solver", "a.steps"}
    with pytest.raises(UsageError, match="no field=value"):
        settings(["fast"])


def test_two_arms_cross_where_their_curves_do():
    """One takes 1 + B/10 seconds a batch, the other 1.5 whatever the batch: they are equal at B = 5."""
    first, second = ([Timing(batch, seconds(batch)) for batch in (1, 4, 5, 6, 64)] for seconds in (lambda b: 1 + b / 10, lambda b: 1.5))
    assert crossover(first, second) == pytest.approx(5.0)
    assert crossover(second, first) == pytest.approx(5.0)
    assert crossover(first[:2], second[:2]) is None


def test_a_crossing_between_measured_sizes_is_found_on_logarithmic_axes():
    """Rates B / 4 and B^(1/2) are powers of the batch, straight lines there: they are equal at B = 16."""
    first = [Timing(batch, 4.0) for batch in (1, 8, 64)]
    second = [Timing(batch, batch**0.5) for batch in (1, 8, 64)]
    assert crossover(first, second) == pytest.approx(16.0)


def test_equal_quality_is_the_cheapest_that_is_good_enough():
    points = [point("a", 1.0, 1), point("a", 0.5, 2), point("a", 0.4, 8), point("b", 0.9, 1), point("b", 0.6, 4), point("b", 0.55, 16)]
    # b's best is 0.55, and a setting within 1.1 of it will do.
    assert {arm: found.flops for arm, found in at_equal_quality(points, VALUES).items()} == {"a": 2, "b": 4}


def test_the_frontier_keeps_what_nothing_beats():
    points = [point("a", 1.0, 1), point("a", 1.2, 2), point("a", 0.5, 4), point("a", 0.5, 8), point("a", 0.4, 16)]
    assert [found.flops for found in pareto(points, "flops", VALUES)] == [1, 4, 16]


def test_a_record_is_read_back():
    points = [point("a", 1.0, 1), point("b", 0.5, 4)]
    written = {"points": [each._asdict() | {"timings": [t._asdict() | {"samples_per_second": 0} for t in each.timings]} for each in points]}
    assert read(written) == points
    head, *rows = text(points)
    assert all(len(row) == len(head) for row in rows) and rows[1][:2] == ["b", "steps=4"]
    assert Timing(64, 2.0).samples_per_second == 32 and Timing(1, 0.25).milliseconds == 250


def test_a_checkpoint_is_a_setting_and_its_panel_is_there_only_then():
    """Each panel is 5 inches at 140 dots: costs and training make four, costs alone three in the same room; two arms and checkpoints make five."""
    by_step = [point("a", 1.0 / (1 + n), 1)._replace(settings={"step": str(n)}) for n in (1, 2)]
    assert [each.step for each in by_step] == [1, 2] and point("a", 1.0, 1).step is None

    def size(points, crossings):
        rows = [each._asdict() | {"timings": [t._asdict() for t in each.timings]} for each in points]
        learned = {"a": [{"step": 1, "bits_per_dim": 2.0}, {"step": 2, "bits_per_dim": 1.5}]}
        written = {
            "points": rows,
            "ordered_by": VALUES,
            "held_out": {VALUES: 0.1},
            "learned": learned,
            "crossover_batch": crossings,
        }
        return Image.open(io.BytesIO(frontier_figure(written))).size

    one, other = [point("a", 1.0, 1), point("a", 0.5, 2)], [point("b", 0.9, 1)]
    assert size(one, {}) == size([*one, *by_step], {}) == size([*one, *other], {"a, b": 8.0}) == (1400, 980)
    assert size([*one, *other, *by_step], {"a, b": None}) == (2100, 980)


def test_a_kind_is_what_is_named_and_not_an_amount():
    assert point("a", 1.0, 1)._replace(settings={"x.solver": "ddim(eta=0.5)", "x.steps": "8", "x.scale": "1.5"}).kind == "ddim(eta=0.5)"
