"""C32: do both look alike from outside?

python scripts/claims.py --name=c32_told_apart
"""


def get_config(config, variant):
    config.number = "C32"
    config.aspect = "told from held-out digits by a forest of trees"
    config.statement = "From outside, what the two make looks the same."
    config.hypothesis = "Samples of either are told from data that it has not seen about as often, within 5 points."
    config.if_supported = "So: both are told from data alike."
    config.if_refuted = "Not so: one is told from data more easily."
    config.confounds = "A forest of trees on pixels judges, not a person; with 300 samples it finds little."
    config.compare = "configs/compare/digits.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "noise_prediction"
    config.second = "next_token"
    config.metric = "told_apart(samples=300)"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.05
    config.family = "extensions"
    return config
