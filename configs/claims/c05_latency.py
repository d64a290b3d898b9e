"""C5: who answers first?

python scripts/claims.py --name=c05_latency
"""


def get_config(config, variant):
    config.number = "C5"
    config.aspect = "waiting time for one sample"
    config.statement = "A language model needs one forward pass for each token, which makes it faster than diffusion with its many steps."
    config.hypothesis = (
        "One sample of the next-token model is ready in less time than one of diffusion in eight steps, whose quality is near "
        "(by a factor above 1.19)."
    )
    config.if_supported = "So for one sample, against eight steps."
    config.if_refuted = "Not so for one sample: in eight steps diffusion is as fast or faster."
    config.confounds = (
        "The steps of both wait for one another: 64 tokens against 9 evaluations. How near their quality is is a claim of its own (c05_quality)."
    )
    config.compare = "configs/compare/digits.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token"
    config.second = "noise_prediction --config.noise_prediction.solver=dpmpp_2m --config.noise_prediction.steps=8"
    config.metric = "latency(batch=1)"
    config.seeds = 5
    config.direction = "less"
    config.margin = 0.25
    config.tried = 3
    return config
