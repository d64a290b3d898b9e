"""C2: is 'the next token' a matter of reading order?

python scripts/claims.py --name=c02_order
"""


def get_config(config, variant):
    config.number = "C2"
    config.aspect = "along a curve instead of row by row"
    config.statement = "A language model learns by predicting the next token."
    config.hypothesis = "What is next is a choice: along a Hilbert curve a value costs as many bits as row by row, within 0.05."
    config.if_supported = "Half so: what is next is a choice."
    config.if_refuted = "So, and the order matters: along a curve it is not the same."
    config.confounds = "Both orders are fixed in advance; orders drawn anew for every example are another model."
    config.compare = "configs/compare/digits_orders.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "hilbert"
    config.second = "raster"
    config.metric = "bits_per_dim"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.05
    return config
