"""C1: is predicting the noise special among what a denoiser can be asked for?

python scripts/claims.py --name=c01_prediction
"""


def get_config(config, variant):
    config.number = "C1"
    config.aspect = "what the network says"
    config.statement = "A diffusion model learns by predicting the noise that was added at each step."
    config.hypothesis = (
        "What is predicted is a choice of units: with the noise or with the velocity as target, the same bound is reached at equal compute."
    )
    config.if_supported = "Half so: noise is one target among several that come to the same."
    config.if_refuted = "So: what is predicted matters."
    config.confounds = "The loss is weighted so that it is the same bound for both targets; with other weights they are two losses."
    config.compare = "configs/compare/predictions.py"
    config.training = "model.width=32 model.depth=2 train.duration='1000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "eps"
    config.second = "v"
    config.metric = "bound_per_dim"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.1
    return config
