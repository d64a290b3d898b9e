"""C26: and beside a next-token model that is regularised as it needs?

python scripts/claims.py --name=c26_tuned
"""


def get_config(config, variant):
    config.number = "C26"
    config.aspect = "a hundred passes, against tuned regularisation"
    config.statement = "Language models need huge amounts of data."
    config.hypothesis = (
        "After a hundred passes masked diffusion predicts others better even than a next-token model with the dropout and weight decay that "
        "a sweep chose for it, by 0.1 bit a value."
    )
    config.if_supported = "So, more than diffusion does, however it is regularised."
    config.if_refuted = "Not so once it is regularised: diffusion is not ahead by what matters."
    config.confounds = (
        "The bound of masked diffusion may be above its likelihood, which can only make the difference smaller. Nothing was tuned "
        "for masked diffusion here but its learning rate."
    )
    config.compare = "configs/compare/digits_repeated.py"
    config.training = "model.width=32 model.depth=2 train.duration='100 epochs' train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "masked_diffusion"
    config.second = "next_token_regularised"
    config.metric = "bits_per_dim"
    config.seeds = 5
    config.direction = "less"
    config.margin = 0.1
    config.family = "digits"
    return config
