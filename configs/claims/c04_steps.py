"""C4: how many steps does refinement need?

python scripts/claims.py --name=c04_steps
"""


def get_config(config, variant):
    config.number = "C4"
    config.aspect = "sixteen steps against 256"
    config.statement = "Diffusion refines in many steps, typically 50 to 1000."
    config.hypothesis = "Sixteen steps of a second-order solver give samples as near to the data as 256 steps of it."
    config.if_supported = "Not so here, of a second-order solver: sixteen steps are as good."
    config.if_refuted = "So: sixteen steps are not enough."
    config.confounds = (
        "Both settings are of one model, whose own error is larger than that of its solver: held-out digits are nearer to the "
        "training set than its samples."
    )
    config.compare = "configs/compare/digits.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "noise_prediction --config.noise_prediction.solver=dpmpp_2m --config.noise_prediction.steps=16"
    config.second = "noise_prediction --config.noise_prediction.solver=dpmpp_2m --config.noise_prediction.steps=256"
    config.metric = "pixel_frechet(samples=500)"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.02
    config.tried = 2
    return config
