"""The house rules, read off the source: who may import whom, which words stay where, that every key is read and every recipe runs."""

import ast
import functools
import io
import json
import re
import subprocess
import sys
import tarfile
import tokenize
import wave
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest
from flax.core import meta
from PIL import Image

from genjax import config as configs
from genjax import objectives

REPOSITORY = Path(__file__).parents[1]
LIBRARY = sorted((REPOSITORY / "genjax").rglob("*.py"))
SCRIPTS = sorted((REPOSITORY / "scripts").glob("*.py"))
BENCHMARKS = sorted((REPOSITORY / "benchmarks").glob("*.py"))
RECIPES = sorted(path for path in (REPOSITORY / "configs").glob("*.py") if path.name != "base.py")
FIELDS = configs.base_fields()


def tree(path):
    return ast.parse(path.read_text(), str(path))


def name(path):
    return path.relative_to(REPOSITORY).as_posix()


def imports(path):
    """Every module or module.name that a file imports, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# ---- arrows --------------------------------------------------------------------------------------------------------

MATHS = {"types", "rng", "errors", "registry"}
LEARNING = {"config", "data", "errors", "registry", "rng", "types", "__version__"}

# Part of genjax -> the parts that it may import, besides itself.
ARROWS = {
    "__init__": set(),
    "errors": set(),
    "registry": {"errors"},
    "types": set(),
    "rng": {"types"},
    "config": {"errors"},
    "cli": {"config", "errors"},
    "data": {"types", "errors", "registry"},
    "models": MATHS,
    "diffusion": MATHS,
    "decoding": MATHS,
    "objectives": {"models", "diffusion", "decoding", "config", *MATHS},
    "training": {"objectives", "models", *LEARNING},
    "evaluation": {"training", "objectives", "diffusion", "decoding", *LEARNING},
    "comparison": {"evaluation", "training", "objectives", "diffusion", *LEARNING},
    "sweeps": {"training", "config", "errors"},
    "scripts": {"comparison", "sweeps", "evaluation", "training", "data", "config", "cli", "errors"},
    "benchmarks": {"comparison", "evaluation", "training", "config", "cli", "rng", "types", "data"},
    "configs": {"config"},
}


def part(path):
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return parts[1] if parts[0] == "genjax" else parts[0]


@pytest.mark.parametrize("path", [*LIBRARY, *SCRIPTS, *BENCHMARKS, *RECIPES, REPOSITORY / "configs" / "base.py"], ids=name)
def test_imports_point_one_way(path):
    imported = {module.split(".")[1] for module in imports(path) if module.startswith("genjax.")}
    assert imported - {part(path)} <= ARROWS[part(path)]
    assert not any(module.split(".")[0] in ("scripts", "configs", "tests") for module in imports(path))


def test_every_part_has_its_arrows():
    assert {part(path) for path in LIBRARY} == set(ARROWS) - {"scripts", "benchmarks", "configs"}


@pytest.mark.parametrize(
    "module", ["genjax", "genjax.errors", "genjax.config", "genjax.cli", "genjax.comparison.plan", "genjax.sweeps.run", "genjax.training.signals"]
)
def test_no_jax_before_the_command_line_is_read(module):
    heavy = ("jax", "flax", "optax", "orbax", "grain", "tensorflow_datasets", "numpy")
    code = f"import {module}, sys; print([name for name in {heavy} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


# ---- words ---------------------------------------------------------------------------------------------------------


def words(path, kinds=(tokenize.NAME, tokenize.STRING)):
    """The names and the strings of a file, without its comments."""
    return [token.string for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline) if token.type in kinds]


@pytest.mark.parametrize("path", [path for path in LIBRARY if part(path) == "training"], ids=name)
def test_training_knows_no_family(path):
    assert [word for word in words(path) if re.search("noise|token|diffusion|family", word, re.IGNORECASE)] == []


@pytest.mark.parametrize("path", [path for path in LIBRARY if part(path) == "models"], ids=name)
def test_models_know_no_loss(path):
    assert [word for word in words(path, kinds=(tokenize.NAME,)) if re.search("loss|likelihood|objective|optax", word, re.IGNORECASE)] == []


GENERAL = [path for path in [*LIBRARY, *SCRIPTS] if part(path) not in ("data", "comparison")]


@pytest.mark.parametrize("path", GENERAL, ids=name)
def test_no_kind_of_data_is_known_where_it_is_trained_drawn_or_measured(path):
    """A modality is a source and a recipe: the loop, the step, the trunk, the objectives and the scripts have not learned its name. Of sources whose
    names are words of English besides, what opens or compares them is looked for: "moving:shapes", or the word alone in quotation marks.
    """
    kinds = "spoken|speech|emoji|noto|babi|multi30k|gsm8k|sphere|moons|talks|reports|docstrings|translation"
    words_besides = "audio|moving|points|pairs|sums"  # "said" is a figure's name, "together" a line's, and "infilling" a measurement's
    code = [word for word in words(path) if not word.startswith('"""')]  # docstrings have examples
    assert [word for word in code if re.search(rf"(?<![a-z])({kinds})(?![a-z])", word)] == []
    assert [word for word in code if re.search(rf"(?<![a-z])(({words_besides}|said|together):\w|[\"']({words_besides})[\"'])", word)] == []


@pytest.mark.parametrize("path", [*LIBRARY, *SCRIPTS, *BENCHMARKS, *RECIPES], ids=name)
def test_what_is_nowhere(path):
    """No hidden options, no flags of the library's own, no branch on the family, nothing that executes what it reads."""
    calls = {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
    keywords = {
        (word.arg, ast.unparse(word.value)) for node in ast.walk(tree(path)) if isinstance(node, ast.Call) for word in node.keywords if word.arg
    }
    modules = {module.split(".")[0] for module in imports(path)}
    branches = {ast.unparse(node.test) for node in ast.walk(tree(path)) if isinstance(node, ast.If | ast.IfExp | ast.While)}
    assert not [call for call in calls if re.fullmatch(r"(.*\.)?config\w*(\.\w+)*\.get", call)] or path.name == "config.py"
    assert not modules & {"absl", "pickle", "dill", "cloudpickle", "shelve", "marshal", "yaml"}
    assert not calls & {"eval", "exec", "compile", "os.system", "__import__"}
    assert ("allow_pickle", "True") not in keywords
    assert ("shell", "True") not in keywords
    assert not [branch for branch in branches if re.search(r"\bfamily\b|\.objective (==|!=|in) ", branch)]


def tracked_texts():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True, cwd=REPOSITORY)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    for path in map(REPOSITORY.joinpath, listed.stdout.splitlines()):
        if path.is_file():
            try:
                yield name(path), path.read_text()
            except UnicodeDecodeError:
                continue


def test_no_file_names_this_machine():
    folders = [folder for folder in {str(REPOSITORY), sys.prefix, str(Path.home())} if len(Path(folder).parts) > 2]
    folders += ["/work" + "/main", "/work" + "/shared", "/root" + "/"]
    assert [(file, folder) for file, text in tracked_texts() for folder in folders if folder in text] == []


def test_no_file_names_a_package_registry():
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "anaconda" + ".org", "index" + "-url", "artifactory", "devpi"]
    allowed = {"tests/test_architecture.py"}
    assert [(file, host) for file, text in tracked_texts() for host in hosts if host in text and file not in allowed] == []


# ---- every key is read ---------------------------------------------------------------------------------------------


class Recorder:
    """A config that notes which of its fields are read. To list all of them, as for JSON, is not to read them."""

    def __init__(self, config, read, prefix=""):
        self._config, self._read, self._prefix = config, read, prefix

    def __getattr__(self, key):
        value = getattr(self._config, key)
        if hasattr(value, "items"):
            return Recorder(value, self._read, f"{self._prefix}{key}.")
        self._read.add(self._prefix + key)
        return value

    def items(self):
        return self._config.items()

    def keys(self):  # f(**config.group)
        return self._config.keys()

    def __getitem__(self, key):
        self._read.add(f"**{self._prefix}{key}")
        return self._config[key]


def test_every_field_is_read(toy_run, tmp_path):
    """By what is made of every objective and network, and by a training. A field that is handed on with others, f(**config.group), must be
    an attribute that somebody reads.
    """
    from genjax.evaluation.monitors import monitors
    from genjax.training.loop import train
    from genjax.training.setup import Run

    read = set()
    runs = [(objective, {}) for objective in FIELDS["objective"].choices if objective != "hybrid"]
    runs.append(("noise_prediction", {"objective": "hybrid", "data.source": "shapes:s8", "conditioning.text": "tokens"}))
    films = {"data.source": "said:moving:shapes/frames=2", "conditioning.text": "tokens", "conditioning.shown_patches": "1,4,4"}
    runs.append(("next_token", films))
    runs.append(("noise_prediction", {"noise_prediction.network": "unet", "unet.channels": 8, "unet.multipliers": "1"}))
    for objective, overrides in runs:
        run = toy_run(objective, tmp_path / "run", overrides)
        assert Run.build(Recorder(run.config, read)).objective is not None
    run = toy_run("next_token", tmp_path / "run", {"optimizer.name": "muon"})
    assert Run.build(Recorder(run.config, read)).abstract_state is not None
    run = toy_run("noise_prediction", tmp_path / "run", {"optimizer.tracked": "pair"})
    train(Recorder(run.config, read), run.path, monitors)
    attributes = {
        node.attr for path in LIBRARY for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    handed_on = {field for field in FIELDS if f"**{field}" in read and field.rpartition(".")[2] in attributes}
    assert sorted(set(FIELDS) - read - handed_on) == []


def test_the_recorder_tells_reading_from_listing():
    read = set()
    config = Recorder(configs.load("configs/digits.py", FIELDS), read)
    configs.to_json(config)
    assert configs.difference(config, config) == {}
    assert read == set()
    assert (config.seed, config.model.width) == (0, 64)
    dict(**config.checkpoint)
    assert read == {"seed", "model.width", "**checkpoint.keep"}


def test_every_attribute_of_a_record_is_read():
    """Fields of dataclasses, tuples and modules: what nobody reads is not kept."""
    used = [node.attr for path in [*LIBRARY, *SCRIPTS] for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)]
    templates = "".join(path.read_text() for path in (REPOSITORY / "genjax").rglob("*.j2"))
    written_whole = {"Bits", "Scores", "Verdict", "Pace"}  # into a file of JSON
    dead = [
        f"{name(path)}: {record.name}.{field.target.id}"
        for path in LIBRARY
        for record in ast.walk(tree(path))
        if isinstance(record, ast.ClassDef) and record.name not in written_whole
        for field in record.body
        if isinstance(field, ast.AnnAssign) and field.target.id not in used and f".{field.target.id}" not in templates
    ]
    assert dead == []


# ---- every recipe runs ---------------------------------------------------------------------------------------------

SMALL = {
    "data.batch_size": "4",
    "data.eval_batch_size": "4",
    "model.width": "16",
    "model.depth": "1",
    "model.heads": "2",
    "unet.channels": "4",
    "unet.blocks": "1",
    "unet.heads": "1",
    "noise_prediction.steps": "2",
    "noise_prediction.eval_times": "2",
    "autoencoder.channels": "4",
    "masked_diffusion.steps": "2",
    "masked_diffusion.eval_times": "2",
    "embedding_diffusion.steps": "2",
    "embedding_diffusion.eval_times": "2",
    "train.duration": "1 step",
    "train.accumulation": "1",
    "train.steps_per_dispatch": "1",
    "logging.tensorboard": "false",
    "logging.wandb": "None",
}


def variants():
    for path in RECIPES:
        module = configs._load_module(path)
        for variant in getattr(module, "VARIANTS", ("",)):
            yield f"configs/{path.name}:{variant}".rstrip(":")


@pytest.mark.parametrize("recipe", variants())
def test_every_recipe_is_right_as_it_is(recipe):
    config = configs.load(recipe, FIELDS)
    configs.validate(config)
    assert config.objective in objectives.OBJECTIVES


@pytest.mark.parametrize("path", RECIPES, ids=name)
def test_every_recipe_says_how_it_is_run(path):
    assert f"--config={name(path)}" in (ast.get_docstring(tree(path)) or "")


@pytest.fixture
def small(recipe, tmp_path):
    """The recipe's config for a small model; texts, sounds, pictures and the data of tensorflow-datasets are made up."""
    import tensorflow_datasets as tfds

    config = configs.load(recipe, FIELDS, SMALL)
    form, what = re.fullmatch(r"(coded:(?:.*\+)?)?(.*)", config.data.source).groups(default="")
    kind, elsewhere = what.partition(":")[0], {}
    if kind == "npz":
        pytest.skip(f"{config.data.source} is the user's own file")
    if kind == "pairs":
        (tmp_path / "pairs.tsv").write_text("".join(f"{n} is said\tit is {n}\n" for n in range(100)))
        elsewhere = {"data.source": f"pairs:{tmp_path / 'pairs.tsv'}", "data.held_out": "None"}
    if kind == "text":
        (tmp_path / "book.txt").write_text("".join(f"{n} is a line of the book\n" for n in range(2000)))
        elsewhere = {"data.source": f"text:{tmp_path / 'book.txt'}"}
    if kind == "spoken_digit":
        (tmp_path / "spoken_digit").mkdir()
        with tarfile.open(tmp_path / "spoken_digit" / "digits.tar.gz", "w:gz") as archive:
            for number in range(20):
                content = io.BytesIO()
                with wave.open(content, "wb") as file:
                    file.setparams((1, 2, 2000, 64, "NONE", ""))
                    file.writeframes(bytes(range(128)))
                member = tarfile.TarInfo(f"{number % 2}_ann_{number // 2}.wav")
                member.size = content.tell()
                content.seek(0)
                archive.addfile(member, content)
        elsewhere = {"data.source": f"{form}spoken_digit:length=64", "data.dir": str(tmp_path)}
    if kind == "said":
        elsewhere = {"data.source": "said:moving:shapes/frames=2+moving:digits/frames=2", "conditioning.shown_patches": "1,4,4; 2,4,4"}
    if kind == "together":
        elsewhere = {"data.source": "together:moving:digits/frames=2+moving:digits/frames=3", "conditioning.shown_patches": "1,6,6; 1,6,6"}
    if kind in ("sums", "reports", "talks", "python_stdlib_docs"):  # to learn a vocabulary takes longer than all the rest
        elsewhere = {"data.tokenizer": "byte", "data.length": "1024"}
    if kind == "emoji":
        (tmp_path / "noto_emoji").mkdir()
        with zipfile.ZipFile(tmp_path / "noto_emoji" / "png72.zip", "w") as archive:
            for number in range(20):
                content = io.BytesIO()
                Image.new("RGBA", (8, 8), (number, 0, 0)).save(content, format="PNG")
                archive.writestr(f"{number}.png", content.getvalue())
        (tmp_path / "noto_emoji" / "captions.json").write_text(json.dumps({f"{number}.png": ["red one"] for number in range(20)}))
        elsewhere = {"data.source": f"{form}emoji:side=8", "data.dir": str(tmp_path)}
    config = configs.load(recipe, FIELDS, SMALL | elsewhere)
    configs.validate(config)
    with tfds.testing.mock_data(num_examples=8):
        yield config


@pytest.mark.parametrize("recipe", variants())
def test_every_recipe_traces(small):
    """Its parameters and their loss; nothing is compiled."""
    from genjax.data.loader import eval_batches
    from genjax.training.setup import Run

    run, key = Run.build(small), jax.eval_shape(lambda: jax.random.key(0))
    loss, params = functools.partial(run.objective.loss, train=True), meta.unbox(jax.eval_shape(run.objective.init, key))
    assert jax.eval_shape(loss, params, next(eval_batches(run.source, 4)), key).loss.dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize("recipe", variants())
def test_the_step_the_likelihood_and_the_sampler_of_every_recipe_trace(small):
    from genjax.data.loader import eval_batches
    from genjax.training.setup import Run

    run = Run.build(small)
    batch, params = next(eval_batches(run.source, 4)), run.abstract_state.params
    key = jax.eval_shape(lambda: jax.random.key(0))
    after, metrics = jax.eval_shape(run.make_step(), run.abstract_state, batch)
    assert jax.tree.map(np.shape, after.params) == jax.tree.map(np.shape, params) and "loss" in metrics
    if run.objective.scores:
        likelihood = jax.eval_shape(run.objective.likelihood, params, batch, key)
        assert likelihood.nats.shape == (4,)
    if run.objective.generates:
        request = {key: value for key, value in batch.items() if key in ("id", "label", "caption")}
        samples = jax.eval_shape(run.objective.sample, params, request, key)
        assert samples.data.shape == (4, *run.source.spec.shape)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", variants())
def test_every_recipe_trains(small, recipe, tmp_path):
    """One step. What a second stage begins from is the recipe's first."""
    from genjax.training.loop import train

    if small.noise_prediction.autoencoder is not None:
        train(configs.load(f"{recipe.partition(':')[0]}:autoencoder", FIELDS, SMALL), tmp_path / "first", lambda run: [])
        small = configs.load(recipe, FIELDS, SMALL | {"noise_prediction.autoencoder": str(tmp_path / "first")})
    summary = train(small, tmp_path / "run", lambda run: [])
    assert summary.step == 1
    assert np.isfinite(summary.metrics["loss"])
