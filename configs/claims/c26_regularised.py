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
        "Dropout 0.1 and weight decay 2 are the best of eight settings, at their edge, tried on another seed but by the "
        "held-out digits themselves (configs/sweeps/digits_repeated.py); a first choice, 0.3 and 0.3, gave 0.087 bits."
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
    config.tried = 1
    return config
