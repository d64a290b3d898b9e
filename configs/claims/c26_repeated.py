"""C26: who still learns from the hundredth time?

python scripts/claims.py --name=c26_repeated
"""


def get_config(config, variant):
    config.number = "C26"
    config.aspect = "a hundred passes over the same examples"
    config.statement = "Language models need huge amounts of data."
    config.hypothesis = (
        "After a hundred passes over 1,438 images, masked diffusion predicts others better than a next-token model without "
        "regularisation, by 0.1 bit a value."
    )
    config.if_supported = "So, more than diffusion does."
    config.if_refuted = "Not so in comparison: diffusion does not gain from repeating either."
    config.confounds = "The bound of masked diffusion may be above its likelihood, which can only make the difference smaller."
    config.compare = "configs/compare/digits_repeated.py"
    config.training = "model.width=32 model.depth=2 train.duration='100 epochs' train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "masked_diffusion"
    config.second = "next_token"
    config.metric = "bits_per_dim"
    config.seeds = 5
    config.direction = "less"
    config.margin = 0.1
    config.family = "digits"
    return config
