"""C3: what do discrete values cost a diffusion model that is told which values there are?

python scripts/claims.py --name=c03_levels
"""


def get_config(config, variant):
    config.number = "C3"
    config.aspect = "diffusion that knows the levels"
    config.statement = "Diffusion is for continuous data such as images, language models are for discrete data such as text."
    config.hypothesis = (
        "Half of what noise prediction lacks on small images of 17 levels is that it does not know of levels: a denoiser that says the odds of each "
        "needs at least 0.2 bits a value less, at equal training compute."
    )
    config.if_supported = "Not the data but what the network says: told of the levels, diffusion needs far fewer bits."
    config.if_refuted = "Telling a diffusion model of the levels changes little."
    config.confounds = (
        "One seed of this was seen before the margin was set. The noise is that of any diffusion model, but what the network says are odds, as in "
        "next-token prediction, and no longer noise. Both are bounds of the same kind, not likelihoods."
    )
    config.compare = "configs/compare/digits_levels.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "noise_prediction_odds"
    config.second = "noise_prediction"
    config.metric = "bound_per_dim"
    config.seeds = 5
    config.direction = "less"
    config.margin = 0.2
    config.tried = 1
    return config
