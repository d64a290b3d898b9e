"""Axes, and the cells that they make. Everything is checked before anything is trained."""

import re
import subprocess
import sys

import pytest

from genjax import config as configs
from genjax.errors import UsageError
from genjax.sweeps import cells

RECIPE = "configs/digits.py:next_token"


def changes(axes, mode=None, recipe=RECIPE):
    return [cell.changes for cell in cells.load(recipe, axes, mode, {}).cells]


def test_axes_are_crossed():
    assert changes(["model.depth=1,2", "model.dropout=0,0.5"]) == [
        {"model.depth": "1", "model.dropout": "0"},
        {"model.depth": "1", "model.dropout": "0.5"},
        {"model.depth": "2", "model.dropout": "0"},
        {"model.depth": "2", "model.dropout": "0.5"},
    ]


def test_zipped_axes_go_together():
    assert changes(["model.width=32,48", "model.depth=1,2"], "zip") == [
        {"model.width": "32", "model.depth": "1"},
        {"model.width": "48", "model.depth": "2"},
    ]


def test_an_ablation_changes_one_field_at_a_time():
    assert changes(["model.dropout=0", "model.depth=1,2"], "ablate") == [{}, {"model.dropout": "0"}, {"model.depth": "1"}, {"model.depth": "2"}]


@pytest.mark.parametrize("mode", cells.MODES)
def test_seeds_are_repetitions_in_every_mode(mode):
    made = changes(["model.depth=1,2", "model.heads=2,8", "seed=0..4"], mode)
    settings = {tuple((field, text) for field, text in cell.items() if field != "seed") for cell in made}
    assert len(made) == 5 * len(settings)
    assert {cell["seed"] for cell in made} == set("01234")


def test_seeds_alone_are_a_sweep():
    assert changes(["seed=3..5"], "zip") == [{"seed": "3"}, {"seed": "4"}, {"seed": "5"}]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("seed=0..2", ("0", "1", "2")),
        ("seed=7,1..2", ("7", "1", "2")),
        ("unet.multipliers=(1,2),(1,2,2)", ("(1,2)", "(1,2,2)")),
        ("noise_prediction.time_sampler=lognormal_sigma(mean=-1.1, std=2),uniform", ("lognormal_sigma(mean=-1.1, std=2)", "uniform")),
        ("train.duration=10 epochs, 20 epochs", ("10 epochs", "20 epochs")),
    ],
)
def test_the_values_of_an_axis(text, values):
    assert cells.axis(text).values == values


def test_a_cell_is_the_recipe_with_its_changes_and_what_holds_for_all():
    (cell,) = cells.load(RECIPE, ["model.depth=2"], None, {"train.duration": "7"}).cells
    assert configs.difference(cell.config, configs.load(RECIPE, configs.base_fields())) == {
        "model.depth": (2, 4),
        "train.duration": ("7", "600 steps"),
    }


def test_names_are_of_folders_and_functions_of_the_changes():
    axes = ["noise_prediction.solver=ddim(eta=0.5),ddim(eta=0.25)", "noise_prediction.steps=4", "model.heads=2", "seed=0..1"]
    long = cells.load(RECIPE, axes, None, {}).cells
    short = cells.load(RECIPE, [*axes[:3], "seed=1"], None, {}).cells
    assert {cell.name for cell in short} < {cell.name for cell in long}
    assert len({cell.name for cell in long}) == 4
    assert all(re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,127}", cell.name) for cell in long)
    assert all("model.heads-2" in cell.name for cell in long), "unet.heads is another field"


def test_no_value_leads_out_of_the_folder_of_cells():
    sources = ("npz:../../x.npz", "npz:/etc/x.npz", "npz:" + 300 * "x" + ".npz", "npz:\x1b[2J.npz", "npz:a b;c.npz", "npz:.npz")
    found = cells.load(RECIPE, [f"data.source={','.join(sources)}"], None, {}).cells
    assert len({cell.name for cell in found}) == len(sources)
    assert all(re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,127}", cell.name) for cell in found)


@pytest.mark.parametrize(
    ("axes", "mode", "overrides", "says"),
    [
        ([], None, {}, "a sweep needs an axis"),
        (["model.width"], None, {}, "the axis 'model.width' has no values"),
        (["model.width="], None, {}, "the axis 'model.width=' has no values"),
        (["modle.width=3"], None, {}, "did you mean 'model.width'?"),
        (["model=3"], None, {}, "'model' is a group of config fields"),
        (["model.width=wide"], None, {}, "'model.width' cannot be 'wide'"),
        (["model.width=64,"], None, {}, "'model.width' cannot be ''"),
        (["seed=4..0"], None, {}, "the range '4..0' is empty"),
        (["optimizer.learning_rate=0..4"], None, {}, "'optimizer.learning_rate' cannot be '0..4'"),
        (["model.heads=4,5"], None, {}, "cell 'model.heads-5': model.width=64 is not divisible by model.heads=5"),
        (["model.depth=1,2", "model.depth=3"], None, {}, "the field 'model.depth' is swept twice"),
        (["model.depth=1,2", "model.heads=2"], "zip", {}, "equally many values: model.depth has 2, model.heads has 1"),
        (["seed=0..100000"], None, {}, "the range '0..100000' has more than 10,000 numbers"),
        (["model.depth=1,1"], None, {}, "are the same training"),
        (["model.depth=1,1.0"], None, {}, "are the same training"),
        (["model.dropout=0.2"], "ablate", {}, "the cells 'base' and 'dropout-0.2' are the same training"),
        (["model.depth=1"], None, {"model.depth": "2"}, "is set for all cells and swept too"),
    ],
)
def test_what_is_no_sweep_is_refused_with_a_sentence(axes, mode, overrides, says):
    with pytest.raises(UsageError, match=re.escape(says)):
        cells.load(RECIPE, axes, mode, overrides)


def test_checking_a_cell_costs_the_same_however_many_there_are(monkeypatch):
    """Values that are read out of configs, counted: a comparison of all pairs would read sixteen times as many for four times the cells."""
    read, leaves = [], configs.leaves
    monkeypatch.setattr(configs, "leaves", lambda *args: read.append(1) or leaves(*args))

    def cost(count):
        read.clear()
        cells.load(RECIPE, [f"seed=1..{count}"], None, {})
        return len(read)

    assert cost(16) - cost(12) == cost(8) - cost(4)


def test_a_sweep_file_names_recipe_axes_and_mode():
    sweep = cells.load("configs/sweeps/digits.py", [], None, {"train.duration": "7"})
    assert sweep.recipe == RECIPE
    assert len(sweep.cells) == 9
    assert {cell.config.train.duration for cell in sweep.cells} == {"7"}
    with pytest.raises(UsageError, match="has its own axes"):
        cells.load("configs/sweeps/digits.py", ["seed=1"], None, {})


def test_every_sweep_file_is_right():
    for path in sorted((configs.REPOSITORY / "configs" / "sweeps").glob("*.py")):
        assert len(cells.load(str(path), [], None, {}).cells) > 1


def test_a_sweep_is_checked_without_jax():
    code = "import sys; from genjax.sweeps import cells; cells.load('configs/sweeps/digits.py', [], None, {}); assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
