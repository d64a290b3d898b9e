"""C5: is one forward pass a token cheaper than many passes a sample?

python scripts/claims.py --name=c05_sample_flops
"""


def get_config(config, variant):
    config.number = "C5"
    config.aspect = "operations of a sample"
    config.statement = "A language model needs one forward pass for each token, which makes it faster than diffusion with its many steps."
    config.hypothesis = (
        "With as many evaluations (64) as there are tokens, a sample of the next-token model, with its cache, costs at most half the operations."
    )
    config.if_supported = "So in operations, against 64 steps."
    config.if_refuted = "Not so in operations."
    config.confounds = (
        "Quality is not equal, and fewer steps need fewer operations: at equal quality the factor is smaller (the last "
        "section). Waiting time and throughput are other things."
    )
    config.compare = "configs/compare/digits.py"
    config.training = "model.width=32 model.depth=2 train.duration='200 steps' train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token"
    config.second = "noise_prediction"
    config.metric = "sample_flops"
    config.seeds = 5
    config.direction = "less"
    config.margin = 1.0
    return config
