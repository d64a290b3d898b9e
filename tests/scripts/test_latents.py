"""Two stages through the scripts: an autoencoder, then diffusion in its latents, which needs the first stage's directory only to begin."""

import shutil

import numpy as np
import pytest
from PIL import Image

SMALL = {
    "autoencoder.channels": 4,
    "autoencoder.multipliers": "1,1",
    "autoencoder.draws": 2,
    "train.duration": "8 steps",
    "train.accumulation": 1,
    "train.steps_per_dispatch": 1,
}


@pytest.mark.slow
def test_a_run_in_latents_outlives_the_autoencoder_that_it_began_from(toy_run, run_script, tmp_path):
    first = toy_run("noise_prediction", tmp_path / "first", SMALL | {"objective": "autoencoder"})
    second = toy_run("noise_prediction", tmp_path / "second", SMALL | {"noise_prediction.autoencoder": first.path, "train.duration": "4 steps"})

    refused = run_script("train", *second.flags)
    assert (refused.code, second.path.exists()) == (65, False), "nothing is written before the autoencoder is found"
    assert "noise_prediction.autoencoder" in refused.err
    assert run_script("train", *first.flags).code == 0
    rebuilt = run_script("sample", f"--workdir={first.path}", "--image=held_out")
    assert rebuilt.code == 0, rebuilt
    assert Image.open(first.path / "samples" / "edited_step8.png").size[1] > 40

    other = [flag for flag in second.flags if "autoencoder.channels" not in flag]
    refused = run_script("train", *other, "--config.autoencoder.channels=8")
    assert (refused.code, second.path.exists()) == (65, False)
    assert "is of another model" in refused.err

    assert run_script("train", *second.flags).code == 0
    shutil.rmtree(first.path)
    longer = [flag for flag in second.flags if "train.duration" not in flag]
    assert run_script("train", *longer, "--config.train.duration=8 steps", "--force").code == 0
    assert run_script("evaluate", f"--workdir={second.path}").code == 0
    assert run_script("sample", f"--workdir={second.path}").code == 0
    with np.load(second.path / "samples" / "samples_step8.npz") as made:
        assert made["image"].shape == (9, 4, 4, 1)
