"""C7: is diffusion more varied, in what a caption leaves open?

python scripts/claims.py --name=c07_left_open
"""


def get_config(config, variant):
    config.number = "C7"
    config.aspect = "what a caption leaves open, against the true posterior"
    config.statement = "Diffusion is more creative: its results vary far more than those of a language model."
    config.hypothesis = (
        "Asked for a shape and no more, noise prediction is more varied in colour and background than next-token prediction, by at least 0.1 bits of "
        "the 3.8 that the data have."
    )
    config.if_supported = "So."
    config.if_refuted = "Not so: asked for the same, its results are no more varied."
    config.confounds = "All pictures are counted, be their shapes exact or not: noise prediction draws few that are."
    config.compare = "configs/compare/planning.py"
    config.training = "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "noise_prediction"
    config.second = "next_token"
    config.metric = "left_open(samples=100)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.1
    config.family = "shapes"
    config.tried = 1
    return config
