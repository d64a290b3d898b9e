"""How the trainings of a comparison share a machine."""

import pytest

from genjax.comparison.cells import shares


@pytest.mark.parametrize(
    ("cores", "workers", "expected"),
    [([0, 1], 2, [(0,), (1,)]), ([4, 5, 6, 7, 8], 2, [(4, 6, 8), (5, 7)]), ([3], 3, [(3,)]), ([0, 1], 3, [(0,), (1,)]), ([], 2, [()])],
)
def test_cores_are_dealt_out_once_and_none_is_left(cores, workers, expected):
    assert shares(cores, workers) == expected
