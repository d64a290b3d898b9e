"""C26: and with regularisation?

python scripts/claims.py --name=c26_regularised
"""


def get_config(config, variant):
    config.number = "C26"
    config.aspect = "a hundred passes, with dropout and weight decay"
    config.statement = "Language models need huge amounts of data."
    config.hypothesis = (
        "It is regularisation that is missing: with dropout and weight decay the next-token model is at least 0.1 bit a value better "
        "after a hundred passes."
    )
    config.if_supported = "In part: what is missing is regularisation."
    config.if_refuted = "So in this: regularisation does not replace data."
    config.confounds = (
        "Dropout 0.05 and weight decay 4 are the best of sixteen settings, inside of what was tried, on a part of the training split and "
        "another seed (configs/sweeps/digits_repeated.py)."
    )
    config.compare = "configs/compare/digits_repeated.py"
    config.training = "model.width=32 model.depth=2 train.duration='100 epochs' train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token_regularised"
    config.second = "next_token"
    config.metric = "bits_per_dim"
    config.seeds = 5
    config.direction = "less"
    config.margin = 0.1
    config.family = "digits"
    config.tried = 2
    return config
