"""C8: which family gives away what it was trained on?

python scripts/claims.py --name=c08_membership
"""


def get_config(config, variant):
    config.number = "C8"
    config.aspect = "membership inference at equal passes"
    config.statement = "A language model is bound to the patterns it has seen; diffusion is not bound by previous associations."
    config.hypothesis = (
        "After as many passes over the data, the likelihood of the next-token model tells training examples from held-out "
        "ones better (area under the curve larger by 0.05), for attacks of equal cost."
    )
    config.if_supported = "So: without regularisation it gives away more of what it was trained on."
    config.if_refuted = "Not so: it gives away no more."
    config.confounds = (
        "What is measured is what the likelihood reveals, after 27 passes and without the dropout that next-token prediction has elsewhere: "
        "it overfits by then, and has 4.4 times the training compute of noise prediction, which may reveal nothing because it has learnt little."
    )
    config.compare = "configs/compare/digits_epochs.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token"
    config.second = "noise_prediction"
    config.metric = "membership_auc"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    config.tried = 2
    return config
