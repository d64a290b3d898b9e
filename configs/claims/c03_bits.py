"""C3: are discrete values the domain of next-token models?

python scripts/claims.py --name=c03_bits
"""


def get_config(config, variant):
    config.number = "C3"
    config.aspect = "bits on discrete values"
    config.statement = "Diffusion is for continuous data such as images, language models are for discrete data such as text."
    config.hypothesis = (
        "On small images of 17 levels, which are discrete, the next-token model needs at least 0.1 bit a value less at equal training compute."
    )
    config.if_supported = "So for discrete values: the next-token model needs fewer bits."
    config.if_refuted = "Not so for discrete values: diffusion needs hardly more bits."
    config.confounds = "Whether data are discrete and whether they are text are two things; here the data are discrete images."
    config.compare = "configs/compare/digits.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token"
    config.second = "noise_prediction"
    config.metric = "bits_per_dim"
    config.seeds = 5
    config.direction = "less"
    config.margin = 0.1
    config.tried = 2
    return config
