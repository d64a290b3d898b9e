"""C30: words by one, pictures by the other?

python scripts/claims.py --name=c30_round_trip
"""


def get_config(config, variant):
    config.number = "C30"
    config.aspect = "a picture put into words and drawn again"
    config.statement = "A language model writes descriptions, and diffusion draws them."
    config.hypothesis = (
        "Of scenes that a next-token model puts into words, those that noise prediction draws again are as their own caption says more often than "
        "those that next-token prediction draws, by at least 5 points."
    )
    config.if_supported = "So."
    config.if_refuted = "Not so: next-token prediction draws as well what it hears."
    config.confounds = "A caption leaves most of a scene open: what comes back is another scene of the same words."
    config.compare = "configs/compare/round_trip.py"
    config.training = "train.duration='2000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "noise_prediction --describer=describer"
    config.second = "next_token --describer=describer"
    config.metric = "round_trip(samples=500)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    config.family = "extensions"
    return config
