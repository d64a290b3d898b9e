"""C5: who makes more samples a second in batches of 64?

python scripts/claims.py --name=c05_throughput
"""


def get_config(config, variant):
    config.number = "C5"
    config.aspect = "samples a second in batches of 64"
    config.statement = "A language model needs one forward pass for each token, which makes it faster than diffusion with its many steps."
    config.hypothesis = (
        "In batches of 64 the next-token model makes more samples a second than diffusion in eight steps, whose quality is near "
        "(by a factor above 1.19)."
    )
    config.if_supported = "So in batches of 64, against eight steps."
    config.if_refuted = "Not so in batches of 64: in eight steps diffusion makes as many or more."
    config.confounds = "How near their quality is is a claim of its own (c05_quality). Readings of one machine differ by more than seeds do."
    config.compare = "configs/compare/digits.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token"
    config.second = "noise_prediction --config.noise_prediction.solver=dpmpp_2m --config.noise_prediction.steps=8"
    config.metric = "throughput(batch=64)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.25
    config.tried = 3
    return config
