"""C25: who learns a grammar?

python scripts/claims.py --name=c25_grammar
"""


def get_config(config, variant):
    config.number = "C25"
    config.aspect = "text whose entropy is known"
    config.statement = "Language models learn grammar, facts and reasoning from text."
    config.hypothesis = (
        "Of text by a chain of second order, next-token prediction needs at least 0.05 bit a character less than masked diffusion, at equal "
        "training compute."
    )
    config.if_supported = "So of grammar, and better than diffusion."
    config.if_refuted = "Not so as something of language models: diffusion learns grammar as well."
    config.confounds = "Facts and reasoning are more than grammar; this is grammar only."
    config.compare = "configs/compare/grammar.py"
    config.training = "train.duration='500 steps' train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token"
    config.second = "masked_diffusion"
    config.metric = "bits_per_dim"
    config.seeds = 5
    config.direction = "less"
    config.margin = 0.05
    config.family = "extensions"
    return config
