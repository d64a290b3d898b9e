"""Before and after an edit, and the part that is drawn anew. Oracle: where each image must lie on the sheet, which pixels are white."""

import numpy as np
import pytest
from PIL import Image

from genjax.errors import DataError, UsageError
from genjax.evaluation.edits import before_and_after, read_region
from genjax.types import DataSpec
from tests.helpers import make_source

WIDE = DataSpec("toy", "image", (2, 3, 1), 16, 0, 1, 1)


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


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_a_region_is_a_box_or_the_white_of_a_picture(tmp_path, mode):
    """Two rows of three pixels: the corner at the right below, and a shape that is no box."""
    np.testing.assert_array_equal(read_region("1,2,2,3", WIDE)[..., 0], [[False, False, False], [False, False, True]])
    white = np.array([[True, False, True], [False, True, False]])
    Image.fromarray(np.where(white, 255, 0).astype(np.uint8)).convert(mode).save(tmp_path / "region.png")
    region = read_region(str(tmp_path / "region.png"), WIDE)
    assert region.dtype == bool and region.shape == (2, 3, 1)
    np.testing.assert_array_equal(region[..., 0], white)


@pytest.mark.parametrize("text", ["0,0,1,x", "0,0,1,\u00b2", "0,0,0,3", "0,2,2,4", "1,0,1,3"])
def test_a_region_that_is_no_box_of_the_image_is_refused(text):
    with pytest.raises(UsageError, match=f"--redraw={text}"):
        read_region(text, WIDE)


def test_a_picture_that_is_none_or_of_another_size_is_refused_as_a_region(tmp_path):
    with pytest.raises(DataError, match="cannot be read as a picture"):
        read_region(str(tmp_path / "missing.png"), WIDE)
    Image.new("L", (2, 3)).save(tmp_path / "turned.png")
    with pytest.raises(DataError, match="is 2x3 pixels, and the model's images are 3x2"):
        read_region(str(tmp_path / "turned.png"), WIDE)
