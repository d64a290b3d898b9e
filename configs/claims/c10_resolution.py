"""C10: does the larger picture need refinement?

python scripts/claims.py --name=c10_resolution
"""


def get_config(config, variant):
    config.number = "C10"
    config.aspect = "flawless scenes of 24x24 pixels"
    config.statement = "It is the many steps of denoising that bring out detail at high resolution."
    config.hypothesis = (
        "On scenes of nine cells noise prediction draws more without a flaw than a next-token model of equal training compute, by at least 5 points."
    )
    config.if_supported = "So on larger scenes."
    config.if_refuted = "Not so on larger scenes."
    config.confounds = "Resolution and the number of objects grow together here."
    config.compare = "configs/compare/shapes.py:s24"
    config.training = "train.duration='1000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "noise_prediction"
    config.second = "next_token"
    config.metric = "valid(samples=500)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    config.family = "extensions"
    return config
