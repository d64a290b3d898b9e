"""C7: is diffusion the more varied one?

python scripts/claims.py --name=c07_diversity
"""


def get_config(config, variant):
    config.number = "C7"
    config.aspect = "effective number of different samples"
    config.statement = "Diffusion is more creative: its results vary far more than those of a language model."
    config.hypothesis = "Of 200 samples, evenly over the classes, those of diffusion are effectively more, by at least 0.25 (Vendi score of pixels)."
    config.if_supported = "So."
    config.if_refuted = "Not so: its samples are no more varied."
    config.confounds = (
        "Variety can come from errors: a model whose samples are noise is the most varied. The frontier sets it against distance to the data."
    )
    config.compare = "configs/compare/digits.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "noise_prediction"
    config.second = "next_token"
    config.metric = "vendi(samples=200)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.25
    config.tried = 2
    return config
