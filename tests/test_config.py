"""Configs: what a text stands for, which mistakes are refused and with which sentence, and that the table of fields is that of the code."""

import json
import math

import pytest

from genjax import config as configs
from genjax.config import Choice, Duration, Names, Source, field
from genjax.errors import UsageError

FIELDS = configs.base_fields()


def load(tmp_path, recipe, variant="", overrides=None):
    """A recipe given as source code."""
    path = tmp_path / "recipe.py"
    path.write_text(recipe)
    return configs.load(f"{path}{variant and ':' + variant}", FIELDS, overrides)


def digits(**overrides):
    return configs.load("configs/digits.py:next_token", FIELDS, {name.replace("__", "."): str(value) for name, value in overrides.items()})


# ---- one value -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-7", -7),
        ("+7", 7),
        ("1e3", 1000),
        ("1E3", 1000),
        ("10_000", 10000),
        ("2M", 2_000_000),
        ("1.5k", 1500),
        ("3K", 3000),
        ("1G", 10**9),
        (" 12 ", 12),
        ("4.0", 4),
    ],
)
def test_whole_numbers(text, value):
    parsed = field(0, "").parse(text)
    assert parsed == value
    assert type(parsed) is int


@pytest.mark.parametrize(("text", "value"), [("0.1", 0.1), (".5", 0.5), ("5.", 5.0), ("3e-4", 3e-4), ("-2", -2.0), ("1e3", 1000.0), ("2.5M", 2.5e6)])
def test_fractions(text, value):
    parsed = field(1.0, "").parse(text)
    assert parsed == value
    assert type(parsed) is float


@pytest.mark.parametrize("text", ["", "abc", "1e", "0x10", "1,000", "1 000", "--1", "nan", "inf", "-inf", "1e400", "True", "2T", "1e3k3", "٣x"])
def test_what_is_no_number(text):
    for default in (0, 1.0):
        with pytest.raises(ValueError, match="expected"):
            field(default, "").parse(text)


def test_a_fraction_is_no_whole_number():
    with pytest.raises(ValueError, match="expected int"):
        field(0, "").parse("1.5")


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("1", True), ("yes", True), ("FALSE", False), ("0", False), ("no", False)]
)
def test_booleans(text, value):
    assert field(not value, "").parse(text) is value


@pytest.mark.parametrize("text", ["", "maybe", "2", "None"])
def test_what_is_no_boolean(text):
    with pytest.raises(ValueError, match="expected true or false"):
        field(True, "").parse(text)


def test_a_boolean_is_no_number():
    for default in (0, 1.0):
        with pytest.raises(ValueError, match="expected"):
            field(default, "").check(True)
    with pytest.raises(ValueError, match="expected bool"):
        field(True, "").check(1)


def test_none_is_for_optional_fields_only():
    optional = field(None, "", kind=int)
    assert [optional.parse(text) for text in ("None", "none", "null", "")] == [None] * 4
    assert optional.parse("3") == 3
    assert field(1.0, "", kind=float, optional=True).parse("None") is None
    for required in (field(3, ""), field(1.0, ""), field(True, "")):
        with pytest.raises(ValueError, match="expected"):
            required.parse("None")
        with pytest.raises(ValueError, match="expected"):
            required.check(None)


def test_ranges():
    between = field(3, "", at_least=2, at_most=5)
    assert [between.parse(text) for text in ("2", "5")] == [2, 5]
    for text in ("1", "6"):
        with pytest.raises(ValueError, match=r"^expected at least 2 and at most 5$"):
            between.parse(text)
    with pytest.raises(ValueError, match=r"^expected above 0$"):
        field(1.0, "", above=0.0).parse("0")
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match=r"^expected a finite number$"):
            field(1.0, "").check(value)


def test_one_number_is_a_list_of_one():
    several = field((1,), "", at_least=1)
    assert [several.parse("2"), several.parse("2,4,4"), several.check(2), several.check([2, 4])] == [(2,), (2, 4, 4), (2,), (2, 4)]
    for wrong in (True, 0, 2.5, "2", 1e300):
        with pytest.raises(ValueError, match="expected"):
            several.check(wrong)


@pytest.mark.parametrize("text", ["1e20", "1e300", "9" * 400, "1,1e20"])
def test_no_count_is_beyond_all_measure(text):
    for default in (1, (1,), Duration("1")):
        with pytest.raises(ValueError, match="expected"):
            field(default, "", at_least=1).parse(text)


def test_sources():
    kinds = field(Source("digits"), "", choices=("digits", "tfds"))
    assert kinds.parse("tfds:a:b").parts == ("tfds", "a:b") and kinds.parse("digits").parts == ("digits", "")
    with pytest.raises(ValueError, match=r"^expected one of digits, tfds: did you mean 'digits'\?$"):
        kinds.parse("digit:tfds")


def test_names():
    several = field(Names("a"), "", choices=("a", "b", "c"))
    assert several.parse("a, c").parts == ("a", "c") and several.parse("").parts == ()
    assert several.check("b").parts == ("b",)
    with pytest.raises(ValueError, match=r"^expected some of a, b, c: did you mean 'b'\?$"):
        several.parse("a, bb")


def test_choices():
    either = field("cosine", "", choices=("cosine", "constant"))
    assert either.parse("constant") == "constant"
    with pytest.raises(ValueError, match=r"^expected one of cosine, constant: did you mean 'cosine'\?$"):
        either.parse("cosinus")
    assert either.type_name == "cosine|constant"
    assert field(None, "", kind=int).type_name == "int|None"


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("2000", 2000),
        ("2000 steps", 2000),
        ("1 step", 1),
        ("1e3steps", 1000),
        ("2k Steps", 2000),
        ("2 epochs", 20),
        ("1 epoch", 10),
        ("0.55 epochs", 6),
        ("640 examples", 20),
        ("1_600 example", 50),
        ("5 percent", 50),
        ("5%", 50),
        ("2.5 %", 25),
        ("0", 0),
    ],
)
def test_durations(text, steps):
    """Batches of 32 of 320 examples; the whole training has 1000 steps."""
    duration = field(Duration("1"), "").parse(text)
    assert duration == text
    assert duration.steps(batch_size=32, train_size=320, total=1000) == steps


def test_a_duration_is_of_steps_that_can_be_counted():
    """The number of a step is an int32 in the state."""
    assert Duration("2147483647 steps").steps(batch_size=1, train_size=1) == 2**31 - 1
    with pytest.raises(UsageError, match="the duration '2147483648 steps' is 2,147,483,648 steps, more than can be counted"):
        Duration("2147483648 steps").steps(batch_size=1, train_size=1)
    with pytest.raises(UsageError, match="more than can be counted"):
        Duration("1e12 epochs").steps(batch_size=1, train_size=10**9)


def test_a_percentage_needs_a_whole():
    with pytest.raises(UsageError, match="'5 percent'"):
        Duration("5 percent").steps(batch_size=1, train_size=1)


@pytest.mark.parametrize("text", ["", " ", "steps", "ten steps", "10 years", "10 steps ago", "nan steps", "1e400 steps", "-1 steps", "None", "5 %%"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="expected"):
        field(Duration("1"), "", at_least=0).parse(text)


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("ddim", "ddim", {}),
        ("ddim()", "ddim", {}),
        ("ddim(eta=0.5)", "ddim", {"eta": 0.5}),
        (" ddim ( eta = 5e-1 , order=2 ) ", "ddim", {"eta": 0.5, "order": 2}),
    ],
)
def test_choices_with_options(text, name, options):
    choice = field(Choice("ddpm"), "", choices=("ddpm", "ddim")).parse(text)
    assert choice.parts == (name, options)
    assert choice == text


@pytest.mark.parametrize("text", ["", "dim", "ddim(eta)", "ddim(eta=half)", "ddim(eta=1", "ddim eta=1", "ddim(a=1)(b=2)"])
def test_what_is_no_choice(text):
    with pytest.raises(ValueError, match="expected"):
        field(Choice("ddpm"), "", choices=("ddpm", "ddim")).parse(text)


def test_a_duration_may_be_a_number_in_a_recipe():
    assert field(Duration("1"), "").check(500).steps(batch_size=1, train_size=1) == 500
    with pytest.raises(ValueError, match="expected"):
        field(Duration("1"), "").check(True)


# ---- recipes and overrides -----------------------------------------------------------------------------------------


def test_the_defaults_are_valid():
    config = configs.check(configs.defaults(FIELDS), FIELDS)
    configs.validate(config)
    assert {path: spec.default for path, spec in FIELDS.items()} == dict(configs.leaves(config))


def test_every_field_says_what_it_is():
    assert all(spec.help and spec.help[-1] != "." for spec in FIELDS.values())


def test_variants():
    assert digits().objective == "next_token"
    assert configs.load("configs/digits.py", FIELDS).objective == "next_token", "the first is the default"
    assert configs.load("configs/digits.py:noise_prediction", FIELDS).objective == "noise_prediction"


def test_a_recipe_without_variants_gets_an_empty_one(tmp_path):
    assert load(tmp_path, "def get_config(config, variant):\n    config.logging.wandb = f'<{variant}>'\n    return config").logging.wandb == "<>"


def test_overrides_win_over_the_recipe():
    config = digits(model__width="1e2", optimizer__clip_norm="None", train__duration="3 epochs", seed="2k")
    assert (config.model.width, config.optimizer.clip_norm, config.train.duration, config.seed) == (100, None, "3 epochs", 2000)
    assert isinstance(config.train.duration, Duration)


def test_a_config_is_frozen():
    with pytest.raises(AttributeError):
        digits().model.width = 3


@pytest.mark.parametrize(
    ("path", "text", "sentence"),
    [
        ("modle.width", "3", "unknown config field 'modle.width': did you mean 'model.width'?"),
        ("lerning_rate", "3", "unknown config field 'lerning_rate': did you mean 'optimizer.learning_rate'?"),
        ("xyzzy", "3", "unknown config field 'xyzzy'; --help lists them all"),
        ("checkpoint", "{'keep': 3}", "'checkpoint' is a group of config fields: set one of checkpoint.keep"),
        ("model.width", "wide", "config field 'model.width' cannot be 'wide': expected a number such as 3, 0.1, 1e3, 10_000 or 2M"),
        ("model.width", "3", "config field 'model.width' cannot be '3': expected at least 8"),
        ("model.width", "(64,)", "config field 'model.width' cannot be '(64,)': expected a number"),
        ("seed", "None", "config field 'seed' cannot be 'None': expected a number"),
        ("objective", "next_tokens", "classifier: did you mean 'next_token'?"),
        ("train.duration", "soon", "config field 'train.duration' cannot be 'soon': expected a duration such as '2000 steps'"),
    ],
)
def test_wrong_overrides(path, text, sentence):
    with pytest.raises(UsageError) as error:
        configs.load("configs/digits.py", FIELDS, {path: text})
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("body", "fragments"),
    [
        ("config.model.widht = 32", ["'model.widht'", "did you mean 'model.width'"]),
        ("config['model']['widht'] = 32", ["'model.widht'", "did you mean 'model.width'"]),
        ("config.modle.width = 32", ["modle", "model"]),
        ("config.width = 32", ["'width'"]),
        ("config.model.width = 'wide'", ["'model.width'", "'wide'", "expected int"]),
        ("config.model.width = 1", ["'model.width'", "expected at least 8"]),
        ("config.model.width = 12.5", ["'model.width'", "expected int"]),
        ("config.model = 3", ["'model' is a group of config fields"]),
        ("config.model = {'width': 32}", ["'model.depth' is missing"]),
        ("config.train.duration = 'soon'", ["'train.duration'", "expected a duration"]),
        ("config.model.width = undefined", ["NameError", "undefined"]),
        ("return", ["return config"]),
        ("import no_such_module", ["no_such_module"]),
    ],
)
@pytest.mark.parametrize("overrides", [{}, {"model.width": "64"}], ids=["alone", "overridden"])
def test_recipes_with_a_mistake(tmp_path, body, fragments, overrides):
    if overrides and body.startswith(("config.model.width", "config.model =")) and "undefined" not in body:
        overrides = {"model.depth": "1"}
    with pytest.raises(UsageError) as error:
        load(tmp_path, f"def get_config(config, variant):\n    {body}\n    return config\n", overrides=overrides)
    for fragment in fragments:
        assert fragment in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("recipe", "fragments"),
    [
        ("def get_config(config, variant)\n    return config", ["recipe.py", "SyntaxError", "line 1"]),
        ("import no_such_module", ["recipe.py", "no_such_module"]),
        ("1 / 0", ["recipe.py", "ZeroDivisionError"]),
        ("def get_cfg(config, variant): ...", ["no function get_config(config, variant)"]),
        ("def get_config(): ...", ["recipe.py", "get_config"]),
    ],
)
def test_files_that_are_no_recipes(tmp_path, recipe, fragments):
    with pytest.raises(UsageError) as error:
        load(tmp_path, recipe)
    for fragment in fragments:
        assert fragment in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_unknown_recipes_and_variants(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"no config file 'configs/digit.py': did you mean 'configs/digits.py'\?"):
        configs.load("configs/digit.py", FIELDS)
    (tmp_path / "scattered.py").write_text("")
    monkeypatch.chdir(tmp_path)
    for typed in ("scattered", "scatered.py"):
        with pytest.raises(UsageError, match=rf"no config file '{typed}': did you mean 'scattered.py'\?"):
            configs.recipe(typed)
    with pytest.raises(UsageError, match="no config file 'configs'"):
        configs.load("configs", FIELDS)
    with pytest.raises(
        UsageError,
        match=r"no variant 'noise_predict': did you mean 'noise_prediction'\? It has next_token, noise_prediction, masked_diffusion, block_",
    ):
        configs.load("configs/digits.py:noise_predict", FIELDS)
    with pytest.raises(UsageError, match=r"has no variant 'x'\. It takes none\."):
        load(tmp_path, "def get_config(config, variant): return config", "x")


def test_a_recipe_is_found_from_any_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert configs.load("configs/digits.py", FIELDS) == digits()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "digits.py").write_text("def get_config(config, variant):\n    config.seed = 7\n    return config")
    assert configs.load("configs/digits.py", FIELDS).seed == 7, "one's own file comes first"


# ---- a config in a run's directory ---------------------------------------------------------------------------------


def test_json_round_trip():
    config = digits(optimizer__clip_norm="None", optimizer__warmup="3 epochs", evaluate__examples="10", model__mlp_ratio="2")
    text = json.dumps(configs.to_json(config), allow_nan=False)
    again = configs.from_json(json.loads(text), FIELDS)
    assert again == config
    assert dict(configs.leaves(again)) == dict(configs.leaves(config))
    assert [type(value) for _, value in configs.leaves(again)] == [type(value) for _, value in configs.leaves(config)]
    assert json.dumps(configs.to_json(again)) == text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tree: tree["model"].update(widht=3), "unknown config field 'model.widht'"),
        (lambda tree: tree["model"].update(width=math.nan), "config field 'model.width' cannot be nan: expected int"),
        (lambda tree: tree["optimizer"].update(learning_rate=math.inf), "expected a finite number"),
        (lambda tree: tree["model"].update(width="64"), "config field 'model.width' cannot be '64': expected int"),
        (lambda tree: tree["model"].update(width=[64]), "expected int"),
        (lambda tree: tree.update(model=3), "'model' is a group"),
        (lambda tree: tree["data"].update(source={"a": 1}), "unknown config field 'data.source.a'"),
        (lambda tree: tree.update(seed=-1), "expected at least 0"),
    ],
)
def test_json_that_is_no_config(change, sentence):
    tree = configs.to_json(digits())
    change(tree)
    with pytest.raises(UsageError) as error:
        configs.from_json(tree, FIELDS)
    assert sentence in str(error.value)


def test_difference():
    assert configs.difference(digits(), digits()) == {}
    assert configs.difference(digits(model__width="32", optimizer__clip_norm="None"), digits()) == {
        "model.width": (32, 64),
        "optimizer.clip_norm": (None, 1.0),
    }


# ---- fields that do not go together --------------------------------------------------------------------------------

CLASHES = [
    ({"model.width": 65}, "model.width=65 is not divisible by model.heads=4"),
    ({"model.width": 60, "model.heads": 4}, "model.width / model.heads = 15: rotary positions need an even head size"),
    ({"model.width": 16, "model.heads": 4}, "model.width / model.heads = 4: rotary positions need an even head size of at least 6"),
    ({"model.kv_heads": 3}, "model.heads=4 is not divisible by model.kv_heads=3"),
    ({"optimizer.base_width": 32, "noise_prediction.network": "unet"}, "optimizer.base_width is about model.width, which a U-Net does not have"),
    ({"optimizer.base_width": 32, "model.qk_norm": False}, "optimizer.base_width needs scores of attention that do not grow with the width"),
    ({"train.accumulation": 3}, "data.batch_size=64 is not divisible by train.accumulation=3"),
    (
        {"noise_prediction.logsnr_min": 9, "noise_prediction.logsnr_max": 9},
        "noise_prediction.logsnr_min=9 must be below noise_prediction.logsnr_max=9",
    ),
    ({"parallel.mode": "pmap", "parallel.fsdp": 2}, "parallel.mode=pmap only splits the batch"),
    ({"parallel.mode": "pmap", "parallel.tensor": 2}, "parallel.mode=pmap only splits the batch"),
    ({"conditioning.label": "false", "sample.guidance_scale": 2}, "sample.guidance_scale needs a class or words to guide to"),
    ({"conditioning.drop_rate": 0, "sample.guidance_scale": 2}, "set conditioning.drop_rate above 0"),
    ({"sample.guidance_scale": 2, "sample.negative_label": 1, "sample.guide": "runs/weak"}, "both say what to lead away from"),
    ({"sample.negative_label": 1}, "sample.negative_label does nothing at sample.guidance_scale=1"),
    ({"noise_prediction.curve": "learned", "noise_prediction.time_sampler": "logit_normal"}, "set noise_prediction.time_sampler=stratified"),
    ({"noise_prediction.curve": "learned", "noise_prediction.shift": 1}, "set noise_prediction.shift=0"),
    ({"noise_prediction.curve": "learned", "noise_prediction.weighting": "target_mse"}, "use another weighting than target_mse"),
    ({"train.duration": "50 percent"}, "train.duration cannot be a percentage of itself"),
    ({"train.profile_steps": "5,3"}, "train.profile_steps=5,3 must be two steps, from and to"),
    ({"data.source": "npz:"}, "data.source='npz:' names no data set"),
    ({"data.source": "tfds:"}, "data.source='tfds:' names no data set"),
    ({"noise_prediction.guidance_logsnr_min": 5, "noise_prediction.guidance_logsnr_max": -5}, "guidance would never be on"),
    ({"logging.wandb": "project"}, "logging.wandb needs the package wandb"),
]


@pytest.mark.parametrize(("overrides", "sentence"), CLASHES, ids=[sentence[:40] for _, sentence in CLASHES])
def test_clashes(overrides, sentence):
    config = configs.load("configs/digits.py", FIELDS, {path: str(value) for path, value in overrides.items()})
    with pytest.raises(UsageError) as error:
        configs.validate(config)
    assert sentence in str(error.value)


def test_every_rule_of_validate_is_tested():
    """As many sentences here as there are rules there."""
    import ast
    import inspect

    rules = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(configs.validate)))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "require"
    ]
    spoken = set()
    for overrides, _ in CLASHES:
        config = configs.load("configs/digits.py", FIELDS, {path: str(value) for path, value in overrides.items()})
        with pytest.raises(UsageError) as error:
            configs.validate(config)
        spoken.add(error.traceback[-2].lineno)
    assert len(spoken) == len(rules)


# ---- the choices of the table are those of the code ----------------------------------------------------------------


def test_choices_are_names_of_the_code():
    from genjax import objectives
    from genjax.decoding import speculative
    from genjax.diffusion import grid, prediction, process, time_sampling
    from genjax.models import layers
    from genjax.objectives import noise_prediction, scans, steering

    tables = {
        "objective": objectives.OBJECTIVES,
        "noise_prediction.prediction": prediction.PREDICTIONS,
        "noise_prediction.head": noise_prediction.HEADS,
        "noise_prediction.scaling": process.SCALINGS,
        "noise_prediction.curve": process.CURVES | {noise_prediction.LEARNED: None},
        "noise_prediction.weighting": noise_prediction.WEIGHTINGS,
        "noise_prediction.inpaint": steering.INPAINTERS,
        "noise_prediction.time_sampler": time_sampling.TIME_SAMPLERS,
        "noise_prediction.solver": noise_prediction.SOLVERS,
        "noise_prediction.threshold": steering.THRESHOLDS,
        "noise_prediction.likelihood": noise_prediction.BOUNDS,
        "noise_prediction.network": noise_prediction.NETWORKS,
        "noise_prediction.grid": grid.GRIDS,
        "next_token.scan": scans.SCANS,
        "next_token.draft": speculative.DRAFTS,
        "model.attention": layers.BACKENDS,
    }
    for path, table in tables.items():
        assert FIELDS[path].choices, path
        assert set(FIELDS[path].choices) <= set(table), path
        assert FIELDS[path].default in FIELDS[path].choices, path
    assert set(FIELDS["objective"].choices) == set(objectives.OBJECTIVES)


def test_kinds_of_data_sources_are_those_of_the_code_and_said_in_the_help():
    from genjax.data.sources import COMPOSED, CORPORA, DIALOGUES, OPENERS

    kinds = {*OPENERS, *COMPOSED, *CORPORA, *DIALOGUES}
    assert set(FIELDS["data.source"].choices) == kinds
    assert all(kind in FIELDS["data.source"].help for kind in kinds)


@pytest.mark.parametrize(
    "source", ["npz:{}", "text:{}", "audio:{}", "coded:npz:{}", "coded:patch=2/codes=512+npz:{}", "together:audio:{}+moving:digits"]
)
def test_paths_of_data_are_those_of_the_folder_where_they_were_written(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = {"data.source": source.format("here/one"), "data.dir": "prepared", "data.held_out": "a.en,a.de"}
    found = configs.load("configs/digits.py", FIELDS, overrides).data
    assert found.source == source.format(tmp_path / "here" / "one")
    assert (found.dir, found.held_out) == (str(tmp_path / "prepared"), f"{tmp_path}/a.en,{tmp_path}/a.de")


@pytest.mark.parametrize(
    "source", ["digits", "tfds:mnist", "said:emoji+spoken_digit", "coded:patch=2/codes=512+emoji", "shapes_answers:s16/task=caption"]
)
def test_what_is_no_path_stays_as_it_is(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert configs.load("configs/digits.py", FIELDS, {"data.source": source}).data.source == source


def test_several_files_are_several_paths_and_a_comma_in_a_name_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    resolved = lambda: configs.load("configs/digits.py", FIELDS, {"data.source": "pairs:a,b"}).data.source
    assert resolved() == f"pairs:{tmp_path}/a,{tmp_path}/b"
    (tmp_path / "a,b").write_text("")
    assert resolved() == f"pairs:{tmp_path}/a,b"
