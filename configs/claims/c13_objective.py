"""C13: does the transformer understand the prompt better than diffusion?

python scripts/claims.py --name=c13_objective
"""


def get_config(config, variant):
    config.number = "C13"
    config.aspect = "the same trunk, two objectives"
    config.statement = "The transformer of a language model understands a prompt better than diffusion models do."
    config.hypothesis = (
        "It is the transformer and not the objective: on the same trunk masked diffusion follows as many prompts as next-token "
        "prediction, within 5 points."
    )
    config.if_supported = "Not so: on the same transformer both understand as much."
    config.if_refuted = "On the same transformer the objectives differ: {more} follows more."
    config.confounds = "Diffusion models have transformers, too: the statement compares a network with an objective."
    config.compare = "configs/compare/camel.py"
    config.training = (
        "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512 "
        "data.source=shapes_codes:s8/p_neg=0.1"
    )
    config.first = "masked_diffusion_tokens"
    config.second = "next_token_tokens"
    config.metric = "follow(samples=500)"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.05
    config.family = "shapes"
    return config
