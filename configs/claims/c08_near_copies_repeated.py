"""C8: which family copies its training data, after a hundred passes?

python scripts/claims.py --name=c08_near_copies_repeated
"""


def get_config(config, variant):
    config.number = "C8"
    config.aspect = "near copies after a hundred passes"
    config.statement = "A language model is bound to the patterns it has seen; diffusion is not bound by previous associations."
    config.hypothesis = (
        "After a hundred passes over the same examples, samples of the next-token model are near copies of them more often than those of masked "
        "diffusion, by at least 5 points."
    )
    config.if_supported = "So: it copies more of what it has seen again and again."
    config.if_refuted = "Not so here: it hardly copies, even of what it has seen again and again."
    config.confounds = "Diffusion here is masked diffusion. It makes hardly a near copy, and next-token prediction few: fewer than other digits are."
    config.compare = "configs/compare/digits_repeated.py"
    config.training = "model.width=32 model.depth=2 train.duration='100 epochs' train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token"
    config.second = "masked_diffusion"
    config.metric = "near_copies(samples=500)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    config.family = "digits"
    return config
