"""C8: which family draws its training examples again?

python scripts/claims.py --name=c08_near_copies
"""


def get_config(config, variant):
    config.number = "C8"
    config.aspect = "near copies at equal passes"
    config.statement = "A language model is bound to the patterns it has seen; diffusion is not bound by previous associations."
    config.hypothesis = (
        "After as many passes over the data, samples of the next-token model are near copies of training examples more often, by at least 5 points."
    )
    config.if_supported = "So: it copies more."
    config.if_refuted = "Not so here: neither copies more than other digits would by chance."
    config.confounds = (
        "A near copy is a sample nearer to a training example than 95 % of held-out digits are, so that data themselves come to 0 "
        "here. Both models draw further from the training set than that: what does not draw well copies little."
    )
    config.compare = "configs/compare/digits_epochs.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token"
    config.second = "noise_prediction"
    config.metric = "near_copies(samples=500)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    config.tried = 2
    return config
