"""How much dropout and weight decay does a next-token model need that sees the same digits a hundred times?

python scripts/sweep.py --config=configs/sweeps/digits_repeated.py --workdir=runs/regularised

With a seed that no claim uses, so that C26 is tuned on other trainings than those that it is measured on. Hardware: 2 CPU cores, 2 minutes a cell.
"""


def get_config(config, variant):
    config.recipe = "configs/digits.py:next_token"
    config.axes = [
        "model.dropout=0.1,0.2,0.3,0.4",
        "optimizer.weight_decay=0.3,2",
        "model.width=32",
        "model.depth=2",
        "seed=100",
        "train.duration=100 epochs",
        "train.evaluate_every=100 percent",
        "train.sample_every=100 percent",
    ]
    return config
