"""Noto's emoji with their names as captions: 3,414 small pictures that a word or two describe.

`emoji` reads `noto_emoji/png72.zip` (pictures) and `noto_emoji/captions.json` (file name -> [name, keyword, ...]) in the data folder, on white, at 32
pixels a side; `emoji:side=16` makes another size. A caption is the words of the name, of which at most LENGTH are kept. Words of a single
picture of the training split are all the same word, number 1. A fixed tenth of the pictures is held out.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from genjax.data.base import ArrayRows, Source, hold_out
from genjax.data.options import read_options
from genjax.data.words import Words, split
from genjax.errors import DataError
from genjax.types import DataSpec

LENGTH = 8
_RARE = "(rare)"


def open_emoji(argument: str, data_dir: str | None = None) -> Source:
    """Pictures uint8 [n, side, side, 3] and `caption` int32 [n, LENGTH].

    Args:
      argument: "" or "side=16".
      data_dir: the folder that holds `noto_emoji` or `sources/noto_emoji`; None means $GENJAX_DATA_DIR.

    Raises:
      UsageError: an option that is none.
      DataError: the files are not there or damaged.
    """
    side = read_options(f"emoji:{argument}", argument, {"side": 32})["side"]
    folder = Path(data_dir or os.environ.get("GENJAX_DATA_DIR") or ".").expanduser()
    found = next((path for path in (folder / "noto_emoji", folder / "sources" / "noto_emoji") if path.is_dir()), None)
    if found is None:
        raise DataError(f"emoji: no folder noto_emoji in {folder}; name the folder that holds it by data.dir or GENJAX_DATA_DIR")
    try:
        said = json.loads((found / "captions.json").read_text(encoding="utf-8"))
        with zipfile.ZipFile(found / "png72.zip") as archive:
            files = {Path(name).name: name for name in archive.namelist()}
            names = sorted(name for name in said if name in files)
            images = np.stack([_picture(archive.read(files[name]), side) for name in names])
    except (OSError, ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise DataError(f"emoji: {found} cannot be read ({error})") from error
    texts = [split(said[name][0]) for name in names]
    train = hold_out(ArrayRows({"at": np.arange(len(names))}))["train"]
    seen = Counter(word for at in train.rows(np.arange(len(train)))["at"] for word in set(texts[at]))
    language = Words(("", _RARE, *sorted(word for word, count in seen.items() if count > 1)), LENGTH, rare=1)
    splits = hold_out(ArrayRows({"image": images, "caption": np.stack([language.number(words) for words in texts])}))
    sizes = len(splits["train"]), len(splits["eval"])
    name = "emoji" + (":" + argument if argument else "")
    spec = DataSpec(name, "image", images.shape[1:], 256, 0, *sizes, words=len(language.known), caption_length=LENGTH)
    return Source(spec, splits, words=language)


def _picture(content: bytes, side: int) -> np.ndarray:
    """uint8 [side, side, 3] of a PNG, on white."""
    from PIL import Image

    picture = Image.open(io.BytesIO(content)).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB").resize((side, side), Image.Resampling.BOX))
