"""The README's commands run as written; only sizes are made small."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from genjax import config as configs
from genjax.config import REPOSITORY

TINY = (
    "--config.model.width=16 --config.model.depth=1 --config.model.heads=2 --config.train.steps_per_dispatch=2 --config.evaluate.examples=8 "
    "--config.noise_prediction.steps=2 --config.sample.count=4"
).split()


def commands():
    text = (REPOSITORY / "README.md").read_text()
    lines = [line for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def prepared():
    """A folder of prepared TFDS data, or None."""
    folders = (os.environ.get("GENJAX_DATA_DIR"), REPOSITORY.parent / "shared" / "data" / "tfds")
    return next((str(folder) for folder in folders if folder and Path(folder).is_dir()), None)


def test_every_command_is_a_script_a_make_target_or_the_environment():
    targets = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    for words in commands():
        if words[0] == "make":
            assert words[1] in targets
        elif words[0] == "python":
            assert (REPOSITORY / words[1]).is_file()
        else:
            assert words == ["source", ".venv/bin/activate"]


@pytest.mark.parametrize("words", [words for words in commands() if Path(words[1]).stem == "train"], ids=" ".join)
def test_every_training_of_the_readme_is_a_config(words):
    flags = dict(word.removeprefix("--").split("=", 1) for word in words[2:])
    overrides = {name.removeprefix("config."): value for name, value in flags.items() if name.startswith("config.")}
    configs.validate(configs.load(flags["config"], configs.base_fields(), overrides))
    assert flags.keys() - overrides.keys() - {f"config.{name}" for name in overrides} == {"config", "workdir"}


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen processes, one after the other
def test_the_scripts_run_in_the_order_of_the_readme(tmp_path):
    scripts = [words for words in commands() if words[0] == "python"]
    assert {Path(words[1]).stem for words in scripts} == {"train", "sample", "evaluate", "compare"}
    data, quick = prepared(), os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    for words in scripts:
        words = [word.replace("PREPARED", data or "") for word in words]
        if any("tfds:" in word for word in words):
            if data is None:
                continue
            words += ["--config.noise_prediction.patch_size=7", "--config.data.batch_size=2"]
        given = {word.split("=")[0] for word in words}
        late = [flag for flag in TINY if flag.split("=")[0] not in given]
        if Path(words[1]).stem in ("train", "compare"):
            words = [word for word in words if "train.duration" not in word] + ["--config.train.duration=2"]
        else:
            late = [flag for flag in late if flag.split(".")[1] in ("sample", "evaluate", "noise_prediction")]
        done = subprocess.run(
            [sys.executable, REPOSITORY / words[1], *words[2:], *late], cwd=tmp_path, env=quick, capture_output=True, text=True, timeout=250
        )
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "runs" / "noise" / "samples" / "samples_step2.png").exists()
    assert (tmp_path / "runs" / "short" / "report.html").exists()


@pytest.mark.parametrize("name", ["LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "requirements.lock", ".ci/run"])
def test_what_the_readme_promises_is_there(name):
    assert (REPOSITORY / name).stat().st_size > 0


def test_the_lock_has_plain_pins_for_every_dependency():
    import tomllib

    lines = (REPOSITORY / "requirements.lock").read_text().split()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"] + project["optional-dependencies"]["dev"]:
        assert re.split(r"[<>=\[]", requirement)[0].lower().replace("_", "-") in pinned
