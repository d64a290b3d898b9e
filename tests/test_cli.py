"""The command line as a user meets it: a mistake is answered with one sentence, at once, before jax is loaded and before anything is written."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from genjax import config as configs

REPOSITORY = Path(__file__).parents[1]
SCRIPTS = ("train", "sample", "evaluate")

# Runs command lines one after the other in an interpreter without jax, as `python scripts/<script>.py ...` would.
DRIVER = """
import contextlib, io, json, runpy, sys, traceback
sys.modules["jax"] = None  # to import it is an error
answers = []
for script, *arguments in json.loads(sys.argv[1]):
    sys.argv = [f"scripts/{script}.py", *arguments]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(f"%s/{script}.py", run_name="__main__")
            code = None
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            code = 1
            traceback.print_exc()
    answers.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(answers))
""" % (REPOSITORY / "scripts")

RECIPES = {
    "typo.py": "def get_config(config, variant):\n    config.model.widht = 32\n    return config\n",
    "syntax.py": "def get_config(config, variant)\n    return config\n",
    "nothing.py": "x = 1\n",
    "no_return.py": "def get_config(config, variant):\n    config.seed = 1\n",
    "notes.txt": "width: 32\n",
}

TRAIN = ("train", "--config=configs/digits.py", "--workdir=run")

SWEEP = ("sweep", "--config=configs/digits.py", "--workdir=run", "--sweep=seed=0..1")

PLAN = ("plan", "--config=configs/digits.py", "--hardware=h100")

# Command line -> what the sentence says. All of them are usage errors: exit code 2.
MISTAKES = [
    (("train",), "--workdir is required: the run's directory"),
    (("train", "--workdir=run"), "--config is required, for example --config=configs/digits.py:next_token"),
    (("train", "--config=configs/digits.py"), "--workdir is required"),
    (("train", "--config=configs/digits.py", "--workdir="), "--workdir is required"),
    (("train", "--config=configs/digits.py", "--workdir"), "--workdir: expected one argument"),
    (("train", "--config=\x1b[2J", "--workdir=run"), r"no config file '\x1b[2J'"),
    (("train", "--config=", "--workdir=run"), "no config file ''"),
    (("train", "--confg=configs/digits.py", "--workdir=run"), "unknown flag '--confg': did you mean '--config'?"),
    (("train", "--conf=configs/digits.py", "--workdir=run"), "unknown flag '--conf': did you mean '--config'?"),
    ((*TRAIN, "run2"), "unexpected argument 'run2': values are given as --flag=value"),
    ((*TRAIN, "--"), "unknown flag '--'"),
    ((*TRAIN, "-v"), "unknown flag '-v'"),
    ((*TRAIN, "--workdir=run2"), "--workdir is given twice"),
    ((*TRAIN, "--config.seed=1", "--config.seed=2"), "--config.seed is given twice"),
    ((*TRAIN, "--overwrite=true"), "--overwrite"),
    ((*TRAIN, "--config.modle.width=3"), "unknown config field 'modle.width': did you mean 'model.width'?"),
    ((*TRAIN, "--config.modle.width", "3"), "unknown config field 'modle.width': did you mean 'model.width'?"),
    ((*TRAIN, "--config.learning_rate=3"), "did you mean 'optimizer.learning_rate'?"),
    ((*TRAIN, "--config.=3"), "unknown config field ''"),
    ((*TRAIN, "--config.model={'width': 3}"), "'model' is a group of config fields: set one of model.attention, model.bias, model.depth, "),
    ((*TRAIN, "--config.model.width"), "--config.model.width: expected one argument"),
    ((*TRAIN, "--config.model.width=wide"), "config field 'model.width' cannot be 'wide': expected a number such as 3"),
    ((*TRAIN, "--config.model.width=64.5"), "config field 'model.width' cannot be '64.5': expected int"),
    ((*TRAIN, "--config.model.width=None"), "config field 'model.width' cannot be 'None'"),
    ((*TRAIN, "--config.model.depth=0"), "config field 'model.depth' cannot be '0': expected at least 1"),
    ((*TRAIN, "--config.optimizer.learning_rate=nan"), "config field 'optimizer.learning_rate' cannot be 'nan'"),
    ((*TRAIN, "--config.optimizer.learning_rate=-1"), "expected above 0"),
    ((*TRAIN, "--config.optimizer.b1=1"), "expected at least 0 and at most 0.9999"),
    ((*TRAIN, "--config.optimizer.schedule=cosin"), "did you mean 'cosine'?"),
    ((*TRAIN, "--config.model.remat=maybe"), "expected true or false"),
    ((*TRAIN, "--config.train.duration=-5"), "expected at least 0"),
    ((*TRAIN, "--config.train.duration=soon"), "expected a duration such as '2000 steps'"),
    ((*TRAIN, "--config.train.duration="), "expected a duration"),
    ((*TRAIN, "--config.train.duration=5%"), "train.duration cannot be a percentage of itself"),
    ((*TRAIN, "--config.checkpoint.keep=1"), "expected at least 2"),
    ((*TRAIN, "--config.model.heads=5"), "model.width=64 is not divisible by model.heads=5"),
    ((*TRAIN, "--config.train.accumulation=3"), "data.batch_size=64 is not divisible by train.accumulation=3"),
    ((*TRAIN, "--config.sample.guidance_scale=2", "--config.conditioning.drop_rate=0"), "set conditioning.drop_rate above 0"),
    ((*TRAIN, "--config.data.source=npz:"), "names no data set"),
    (("train", "--config=configs/digit.py", "--workdir=run"), "no config file 'configs/digit.py': did you mean 'configs/digits.py'?"),
    (("train", "--config=configs", "--workdir=run"), "no config file 'configs'"),
    (("train", "--config=configs/digits.py:noise", "--workdir=run"), "has no variant 'noise'"),
    (("train", "--config=configs/base.py", "--workdir=run"), "config file 'configs/base.py' has no function get_config(config, variant)"),
    (("train", "--config=typo.py", "--workdir=run"), "unknown config field 'model.widht': did you mean 'model.width'?"),
    (("train", "--config=syntax.py", "--workdir=run"), "config file 'syntax.py' cannot be read: SyntaxError"),
    (("train", "--config=nothing.py", "--workdir=run"), "config file 'nothing.py' has no function get_config"),
    (("train", "--config=no_return.py", "--workdir=run"), "get_config must end with 'return config'"),
    (("train", "--config=notes.txt", "--workdir=run"), "config file 'notes.txt'"),
    (("train", "--help", "--config=syntax.py"), "config file 'syntax.py' cannot be read: SyntaxError"),
    (("sample",), "--workdir is required"),
    (("sample", "--workdir=run", "--config=configs/digits.py"), "unknown flag '--config'"),
    (("sample", "--workdir=run", "--label=three"), "--label cannot be 'three': expected a number"),
    (("sample", "--workdir=run", "--label=1.5"), "--label cannot be '1.5': expected int"),
    (("sample", "--workdir=run", "--weights=emma"), "--weights cannot be 'emma': expected one of ema, raw"),
    (("sample", "--workdir=run", "--count=3"), "unknown flag '--count'"),
    (("sample", "--workdir=run", "--config.sample.cuont=3"), "did you mean 'sample.count'?"),
    (("sample", "--workdir=run", "--config.sample.count=many"), "config field 'sample.count' cannot be 'many'"),
    (("sample", "--workdir=run", "--config.sample.count=0"), "config field 'sample.count' cannot be '0': expected at least 1"),
    (("sample", "--workdir=run", "--config.noise_prediction.grid=fine"), "config field 'noise_prediction.grid' cannot be 'fine'"),
    (("sample", "--workdir=run", "--config.noise_prediction.solver=dpmpp2m"), "did you mean 'dpmpp_2m'?"),
    (("sample", "--workdir=run", "--config.noise_prediction.solver=ddim(eta)"), "config field 'noise_prediction.solver' cannot be 'ddim(eta)'"),
    (("sample", "--workdir=run", "--redraw=0,0,2,2"), "--redraw is a part of --image: give both"),
    (
        ("sample", "--workdir=run", "--question=how many hearts", "--prompt=a heart"),
        "--question is of --image, or of a model that plans: give no --prompt",
    ),
    (("sample", "--workdir=run", "--question=how many hearts", "--film"), "--question is of --image, or of a model that plans: give no --prompt"),
    (("sample", "--workdir=run", "--question=how many hearts", "--image=held_out"), "--image=held_out is for edits: give a picture file"),
    (("sample", "--workdir=run", "--planner="), "--planner is empty: give the directory of a run"),
    (("sample", "--workdir=run", "--film", "--label=1"), "--film shows the model at work on held-out data: give no --image or --label"),
    (("sample", "--workdir=run", "--config.model.width=32"), "'model.width' is part of what was trained and cannot be changed now; these can: "),
    (("evaluate",), "--workdir is required"),
    (("evaluate", "--workdir=run", "--step=last"), "--step cannot be 'last'"),
    (("evaluate", "--workdir=run", "--label=3"), "unknown flag '--label'"),
    (("evaluate", "--workdir=run", "--config.evaluate=3"), "'evaluate' is a group of config fields"),
    (("evaluate", "--workdir=run", "--config.evaluate.examples=-1"), "expected at least 1"),
    ((*TRAIN, "--processes=two"), "--processes='two' names no job"),
    ((*TRAIN, "--processes=localhost:1234,2,2"), "names no job"),
    ((*TRAIN, "--processes=localhost,0,2"), "names no job"),
    ((*TRAIN, "--processes=localhost:\u00b2,0,2"), "names no job"),
    ((*TRAIN, f"--processes=localhost:1234,0,{30 * '9'}"), "names no job"),
    ((*TRAIN, "--config.model.width=1e20"), "'model.width' cannot be '1e20': expected at least 8 and at most 100000"),
    ((*TRAIN, "--config.unet.multipliers=1,1e12"), "expected whole numbers of at least 1 and at most 1000"),
    ((*TRAIN, "--config.data.length=1e300"), "expected at least 2 and at most 1e+09"),
    ((*TRAIN, "--config.train.duration=1e300 epochs"), "'train.duration' cannot be '1e300 epochs': expected at least 0 and at most 1e+12"),
    ((*TRAIN, "--config.data.source=digitz"), "config field 'data.source' cannot be 'digitz': expected one of digits, shapes, "),
    ((*TRAIN, "--config.data.source=tdfs:mnist"), "did you mean 'tfds'?"),
    ((*PLAN, "--mesh=dta:8"), "there is no axis 'dta': did you mean 'data'?"),
    ((*PLAN, "--mesh=data:\u00b2"), "write axis:devices, for example data:64,fsdp:16"),
    ((*PLAN, "--mesh=data:8,data:4"), "the axis 'data' is given twice"),
    (("train", "--config=configs/compare/digits.py", "--workdir=run"), "is not for this command: give it to scripts/compare.py"),
    (("train", "--config=configs/sweeps/digits.py", "--workdir=run"), "is not for this command: give it to scripts/sweep.py"),
    (("compare", "--config=configs/digits.py", "--workdir=run"), "is not for this command: give it to scripts/train.py"),
    (("compare", "--config=configs/compare/digits.py"), "--workdir is required"),
    ((*SWEEP[:-1],), "a sweep needs an axis"),
    ((*SWEEP, "--sweep=model.heads=5"), "cell 'model.heads-5_seed-0': model.width=64 is not divisible by model.heads=5"),
    ((*SWEEP, "--zip", "--ablate"), "--zip and --ablate are two ways to make cells: give one"),
    ((*SWEEP, "--launcher=slrm"), "did you mean 'slurm'?"),
    ((*SWEEP, "--workers=0"), "at least 1 cell"),
    ((*SWEEP, "--slurm='"), "--slurm cannot be ''': no closing quotation"),
    ((*SWEEP, "--evaluate='"), "--evaluate cannot be ''': no closing quotation"),
    ((*SWEEP, "--evaluate=--bogus=1"), "--evaluate: unknown flag '--bogus'"),
    ((*SWEEP, "--evaluate=--step=last"), "--evaluate: --step cannot be 'last'"),
    ((*SWEEP, "--evaluate=--workdir=runs/other"), "--evaluate: --workdir is given twice"),
    ((*SWEEP, "--evaluate=--config.evaluate.exmples=3"), "did you mean 'evaluate.examples'?"),
    ((*SWEEP, "--sweep=train.steps_per_dispatch=1..9999999999"), "the range '1..9999999999' has more than 10,000 numbers"),
    ((*SWEEP, "--only=seed-7"), "there is no cell 'seed-7': did you mean 'seed-"),
]


def drive(commands, cwd):
    ended = subprocess.run([sys.executable, "-c", DRIVER, json.dumps(commands)], capture_output=True, text=True, cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """{command line: (exit code, stdout, stderr)}, given in a folder with the recipes above, and what was written there."""
    folder = tmp_path_factory.mktemp("cwd")
    for name, text in RECIPES.items():
        (folder / name).write_text(text)
    commands = [command for command, _ in MISTAKES]
    return dict(zip(commands, drive(commands, folder), strict=True)) | {"written": files(folder) - set(RECIPES)}


@pytest.mark.parametrize(("command", "sentence"), MISTAKES, ids=[" ".join(command) for command, _ in MISTAKES])
def test_mistakes(command, sentence, answers):
    code, out, err = answers[command]
    assert sentence in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) <= 3
    assert "\x1b" not in err, "nothing that the terminal obeys"
    assert (code, out) == (2, "")


def test_mistakes_write_nothing(answers):
    assert len(MISTAKES) >= 40
    assert answers["written"] == set()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [MISTAKES[index] for index in (0, 15, 43, -1, -10)] + [((*TRAIN, "--config.model.width=60"), "need an even head size")],
    ids=str,
)
def test_mistakes_in_a_process_of_their_own(command, sentence, tmp_path):
    for name, text in RECIPES.items():
        (tmp_path / name).write_text(text)
    script, *arguments = command
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run([sys.executable, str(REPOSITORY / "scripts" / f"{script}.py"), *arguments], capture_output=True, text=True, cwd=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.0, "seconds of computing"
    assert files(tmp_path) == set(RECIPES)


def test_the_traceback_is_there_for_who_asks():
    script = str(REPOSITORY / "scripts" / "train.py")
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, env=os.environ | {"GENJAX_DEBUG": "1"})
    assert ended.returncode == 2
    assert "Traceback" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("error: --workdir is required")


def test_help_lists_every_flag_and_field(tmp_path):
    commands = [[script, "--help"] for script in SCRIPTS]
    for (code, out, err), (script, _) in zip(drive(commands, tmp_path), commands, strict=True):
        assert (code, err) == (0, "")
        assert f"python scripts/{script}.py" in out, "an example"
        assert "--workdir VALUE" in out
        text = " ".join(out.split())
        for path, field in configs.base_fields().items():
            line = f"--config.{path} {field.type_name} {' '.join(field.help.split())} (default: {field.default})"
            assert (line in text) == (script == "train" or field.late), "a trained model shows what can still be set"
    assert files(tmp_path) == set()


def test_help_shows_what_the_named_recipe_would_run(tmp_path):
    commands = [["train", "--help", "--config=configs/digits.py:noise_prediction"], ["train", "-h", "--config", "configs/digits.py:noise_prediction"]]
    config = dict(configs.leaves(configs.load("configs/digits.py:noise_prediction", configs.base_fields())))
    for code, out, err in drive(commands, tmp_path):
        assert (code, err) == (0, "")
        text = " ".join(out.split())
        for path, value in config.items():
            assert f"(default: {value})" in text.split(f"--config.{path} ")[1].split("--config.")[0], path


def test_a_right_command_line():
    from genjax import cli

    flags = [cli.Flag("workdir", "", required=True), cli.Flag("force", "", kind=bool), cli.Flag("step", "", kind=int)]
    arguments = [
        "--config",
        "configs/digits.py:noise_prediction",
        "--workdir=a b",
        "--config.train.duration=20 epochs",
        "--config.seed",
        "3",
        "--step=1e3",
    ]
    args = cli.parse(arguments, "", flags, config="recipe", fields=configs.base_fields())
    assert (args.workdir, args.force, args.step, args.recipe) == ("a b", False, 1000, "configs/digits.py:noise_prediction")
    assert args.overrides == {"train.duration": "20 epochs", "seed": "3"}
    assert (args.config.seed, args.config.train.duration, args.config.objective) == (3, "20 epochs", "noise_prediction")


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} {REPOSITORY}/scripts/train.py --help | head -1; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("usage: train.py")
