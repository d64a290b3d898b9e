"""C8: which family's likelihood gives away more of the training data, after a hundred passes?

python scripts/claims.py --name=c08_membership_repeated
"""


def get_config(config, variant):
    config.number = "C8"
    config.aspect = "membership inference after a hundred passes"
    config.statement = "A language model is bound to the patterns it has seen; diffusion is not bound by previous associations."
    config.hypothesis = (
        "After a hundred passes over the same examples, the likelihood of the next-token model tells them from held-out ones better than that of "
        "masked diffusion (area under the curve larger by 0.05), for attacks of equal cost."
    )
    config.if_supported = "So, without regularisation: it gives away more of what it has seen again and again."
    config.if_refuted = "Not so: it gives away no more, even of what it has seen again and again."
    config.confounds = "Diffusion here is masked diffusion; how much a likelihood gives away also depends on how well it is estimated."
    config.compare = "configs/compare/digits_repeated.py"
    config.training = "model.width=32 model.depth=2 train.duration='100 epochs' train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token"
    config.second = "masked_diffusion"
    config.metric = "membership_auc"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    config.family = "digits"
    return config
