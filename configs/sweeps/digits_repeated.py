"""How much dropout and weight decay does a next-token model need that sees the same digits a hundred times?

python scripts/sweep.py --config=configs/sweeps/digits_repeated.py --workdir=runs/regularised

On a part of the training split, with a seed that no claim uses: what C26 reports has neither these trainings nor these images in it. Hardware: 2 CPU
cores, 2 minutes a cell.
"""


def get_config(config, variant):
    config.recipe = "configs/digits.py:next_token"
    config.axes = [
        "model.dropout=0.0,0.05,0.1,0.2",
        "optimizer.weight_decay=1,2,4,8",
        "data.source=digits:tuning",
        "model.width=32",
        "model.depth=2",
        "seed=100",
        "train.duration=100 epochs",
        "train.evaluate_every=100 percent",
        "train.sample_every=100 percent",
    ]
    return config
