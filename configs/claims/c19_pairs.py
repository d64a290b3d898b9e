"""C19: do words and pictures meet in pairs that were never seen?

python scripts/claims.py --name=c19_pairs
"""


def get_config(config, variant):
    config.number = "C19"
    config.aspect = "questions about pairs that training never shows"
    config.statement = "To a multimodal language model the word and the picture of a thing are one concept."
    config.hypothesis = (
        "Asked about pairs of shape and colour that training never shows, masked diffusion is right as often as next-token prediction, within 5 "
        "points."
    )
    config.if_supported = "So of both families alike."
    config.if_refuted = "The families differ: {more} is right more often."
    config.confounds = "The pairs are new, their parts are not: both have seen every shape and every colour."
    config.compare = "configs/compare/questions.py"
    config.training = (
        "train.duration='1000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' data.source=shapes_answers:s8/comp1"
    )
    config.first = "masked_diffusion"
    config.second = "next_token"
    config.metric = "answers(samples=1000)"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.05
    config.family = "extensions"
    return config
