"""The picture of what trained models draw: made from whatever runs are given, and only from those that can be asked."""

import pytest
from PIL import Image

from genjax.errors import UsageError
from genjax.evaluation import shapes_pictures
from genjax.evaluation.trained import Trained
from genjax.training.setup import Run
from tests.helpers import config, fresh_params


def trained(**fields):
    run = Run.build(config("next_token", data__eval_batch_size=4, **fields))
    return Trained(run, fresh_params(run.objective), 1)


@pytest.mark.slow
def test_a_row_a_run_and_a_column_a_prompt(tmp_path, monkeypatch):
    runs = {"told": trained(data__source="shapes_codes:s8", conditioning__text="pooled"), "not told": trained(data__source="shapes_codes:s8")}
    runs["larger"] = trained(data__source="shapes_codes:s16", conditioning__text="pooled")
    monkeypatch.setattr(shapes_pictures, "load", lambda path, overrides: runs[path])
    one, two = (Image.open(shapes_pictures.drawn(["told"] * n, tmp_path / f"{n}.png", prompts=3)).size for n in (1, 2))
    assert one[0] == two[0] and two[1] > one[1]
    with pytest.raises(UsageError, match="the model of not told is told of no captions"):
        shapes_pictures.drawn(["told", "not told"], tmp_path / "x.png")
    with pytest.raises(UsageError, match="give runs of one tier"):
        shapes_pictures.drawn(["told", "larger"], tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()
