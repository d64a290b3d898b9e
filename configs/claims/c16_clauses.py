"""C16: who loses more with every further statement?

python scripts/claims.py --name=c16_clauses
"""


def get_config(config, variant):
    config.number = "C16"
    config.aspect = "one statement against several"
    config.statement = "A multimodal language model captures all of a prompt: negations, examples, references."
    config.hypothesis = (
        "What is lost from one statement to several is the same for both objectives, within 5 points: it is no matter of the objective."
    )
    config.if_supported = "Not so as a matter of families: both lose as much."
    config.if_refuted = "The families differ: {more} loses more."
    config.confounds = "Captions of several statements are longer than those of one, and say more that can be wrong."
    config.compare = "configs/compare/camel.py"
    config.training = (
        "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512 "
        "data.source=shapes_codes:s8/p_neg=0.1"
    )
    config.first = "masked_diffusion_tokens"
    config.second = "next_token_tokens"
    config.metric = "clauses(samples=1000)"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.05
    config.family = "extensions"
    return config
