"""C5: is one forward pass a token cheaper than many passes a sample?

python scripts/claims.py --name=c05_sample_flops
"""


def get_config(config, variant):
    config.number = "C5"
    config.aspect = "operations of a sample"
    config.statement = "A language model needs one forward pass for each token, which makes it faster than diffusion with its many steps."
    config.hypothesis = (
        "A sample of the next-token model, with its cache, costs at most half the operations of one of diffusion in eight steps, whose "
        "quality is near."
    )
    config.if_supported = "So in operations, against eight steps."
    config.if_refuted = "Not by a factor of two in operations, against eight steps."
    config.confounds = (
        "How near their quality is is a claim of its own (c05_quality); a step costs as many operations as reading all 16 patches at once. "
        "Waiting time and throughput are other things."
    )
    config.compare = "configs/compare/digits.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token"
    config.second = "noise_prediction --config.noise_prediction.solver=dpmpp_2m --config.noise_prediction.steps=8"
    config.metric = "sample_flops"
    config.seeds = 5
    config.direction = "less"
    config.margin = 1.0
    config.tried = 2
    return config
