"""Before and after an edit. Oracle: where each image must lie on the sheet."""

import numpy as np

from genjax.evaluation.edits import before_and_after
from genjax.types import DataSpec
from tests.helpers import make_source


def test_an_example_stands_above_what_was_kept_of_it_and_what_became_of_it():
    """13 images of 8x8 pixels, eight times as large with gaps of 4: a band of twelve, 32 white dots, a band of one."""
    spec = DataSpec("toy", "image", (8, 8, 1), 16, 0, 1, 1)
    before, after = np.full((13, 8, 8, 1), 15), np.full((13, 8, 8, 1), 5)
    keep = np.zeros((8, 8, 1), bool)
    keep[4:] = True
    picture, band = before_and_after(before, keep, after, make_source(spec)), 3 * 68 - 4
    assert picture.shape == (2 * band + 32, 12 * 68 - 4)
    assert (picture[:64, 64:68] == 255).all() and (picture[band : band + 32] == 255).all()
    for top, across in ((0, 11 * 68), (band + 32, 0)):
        column = picture[top : top + band, across]
        # white as it was; upper half gray (8 of 15) and lower half kept; then the new one (5 of 15)
        assert (column[:64] == 255).all() and (column[68:100] == 136).all() and (column[100:132] == 255).all() and (column[136:] == 85).all()
    assert (picture[band + 32 :, 64:] == 255).all(), "nothing stands beside the last one"
    assert before_and_after(before[:12], None, after[:12], make_source(spec)).shape == (2 * 68 - 4, 12 * 68 - 4)
