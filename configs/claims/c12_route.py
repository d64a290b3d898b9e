"""C12: does it matter how the words come in?

python scripts/claims.py --name=c12_route
"""


def get_config(config, variant):
    config.number = "C12"
    config.aspect = "words in the sequence against their mean, masked diffusion"
    config.statement = "A language model reads its prompt natively; diffusion needs it as the vector of another model."
    config.hypothesis = (
        "The way of the words matters: with words in the sequence masked diffusion follows its prompts more often than with their "
        "mean, by at least 5 points."
    )
    config.if_supported = "In part: how the words come in matters, and diffusion can read them as a sequence."
    config.if_refuted = "So in this: words in a sequence help diffusion no more than their mean."
    config.confounds = (
        "With their mean every block is modulated, which is 41 % more parameters; words in the sequence are positions, so that at equal "
        "compute that model sees less than half of the examples."
    )
    config.compare = "configs/compare/camel.py"
    config.training = (
        "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512 "
        "data.source=shapes_codes:s8/p_neg=0.1"
    )
    config.first = "masked_diffusion_tokens"
    config.second = "masked_diffusion_pooled"
    config.metric = "follow(samples=500)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    config.family = "shapes"
    return config
