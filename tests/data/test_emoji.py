"""Named pictures. Oracle: an archive that the test wrote."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from genjax.data.emoji import LENGTH
from genjax.data.sources import open_source
from genjax.errors import DataError, UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twenty squares of one colour each: red and blue ones that are large, or small on nothing, and each with a word of its own."""
    path = tmp_path_factory.mktemp("data")
    (path / "noto_emoji").mkdir()
    said = {}
    with zipfile.ZipFile(path / "noto_emoji" / "png72.zip", "w") as archive:
        for number in range(20):
            colour, inset = ("red", "blue")[number % 2], 18 * (number // 2 % 2)
            picture = Image.new("RGBA", (72, 72))
            picture.paste(colour, (inset, inset, 72 - inset, 72 - inset))
            content = io.BytesIO()
            picture.save(content, format="PNG")
            archive.writestr(f"png/emoji_{number:02}.png", content.getvalue())
            said[f"emoji_{number:02}.png"] = [f"{('large', 'small')[number // 2 % 2]}_{colour} w{number}", "keyword"]
    (path / "noto_emoji" / "captions.json").write_text(json.dumps(said))
    return str(path)


def test_pictures_and_their_names(folder):
    source = open_source("emoji:side=8", folder)
    assert (source.spec.shape, source.spec.train_size, source.spec.eval_size, source.spec.words) == ((8, 8, 3), 18, 2, 2 + 4)
    for split in ("train", "eval"):
        rows = source.splits[split].rows(np.arange(len(source.splits[split])))
        assert rows["image"].dtype == np.uint8 and rows["caption"].shape == (len(rows["image"]), LENGTH)
        for image, caption in zip(rows["image"], rows["caption"], strict=True):
            size, colour, own = source.language.decode(caption).split()
            assert own == "(rare)"
            np.testing.assert_array_equal(image[4, 4], {"red": (255, 0, 0), "blue": (0, 0, 255)}[colour])
            np.testing.assert_array_equal(image[0, 0], (255, 255, 255) if size == "small" else image[4, 4])


def test_what_can_be_asked_for(folder):
    source = open_source("emoji", folder)
    assert source.spec.shape == (32, 32, 3) and source.prompts is None
    assert source.language.decode(source.language.encode("Small RED")) == "small red"
    with pytest.raises(UsageError, match="did you mean 'small'"):
        source.language.encode("smal red")
    with pytest.raises(UsageError, match="1 to 8 words"):
        source.language.encode("red " * 9)


def test_what_is_not_there(folder, tmp_path):
    with pytest.raises(DataError, match="no folder noto_emoji"):
        open_source("emoji", str(tmp_path))
    (tmp_path / "noto_emoji").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        open_source("emoji", str(tmp_path))
