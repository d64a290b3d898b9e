"""Handwritten digits: the peak learning rate of next-token prediction, with three seeds each.

python scripts/sweep.py --config=configs/sweeps/digits.py --workdir=runs/learning_rate --workers=2

Hardware: 2 CPU cores, about 10 minutes.
"""


def get_config(config, variant):
    config.recipe = "configs/digits.py:next_token"
    config.axes = ["optimizer.learning_rate=1e-3,2e-3,4e-3", "seed=0..2"]
    return config
