"""Coloured shapes by noise prediction: bits above the entropy against training compute.

python scripts/compare.py --config=configs/compare/shapes_compute.py --workdir=runs/shapes_compute

Hardware: 2 CPU cores, 20 minutes.
"""


def get_config(config, variant):
    config.title = "Coloured shapes: the bound of noise prediction against compute"
    config.question = (
        "The same model, trained for 125 to 2000 steps of 64 scenes, each with a schedule of its own: how fast does it come down to the entropy?"
    )
    config.arms = {
        f"{steps} steps": f"configs/shapes.py:noise_prediction --config.train.duration='{steps} steps'" for steps in (125, 250, 500, 1000, 2000)
    }
    config.reference = "1000 steps"
    config.match = "parameters"
    config.varies = "train.duration, train_flops, examples, supervised_targets"
    return config
