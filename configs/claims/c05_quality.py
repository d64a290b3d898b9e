"""C5: at which number of steps is diffusion as near to the data as next-token prediction?

python scripts/claims.py --name=c05_quality
"""


def get_config(config, variant):
    config.number = "C5"
    config.aspect = "quality in eight steps"
    config.statement = "A language model needs one forward pass for each token, which makes it faster than diffusion with its many steps."
    config.hypothesis = (
        "Samples of diffusion in eight steps are as near to the data as those of the next-token model, within 0.05 of the Fréchet distance "
        "of the values: what the other claims of C5 need in order to compare at equal quality."
    )
    config.if_supported = "Eight steps of diffusion are as good as next-token prediction: the other claims of C5 are at equal quality."
    config.if_refuted = "Eight steps of diffusion are not as good: what the other claims of C5 say is not at equal quality."
    config.confounds = "One distance is not all of quality. Eight steps were chosen on the first of these seeds (results/digits_frontier.json)."
    config.compare = "configs/compare/digits.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "noise_prediction --config.noise_prediction.solver=dpmpp_2m --config.noise_prediction.steps=8"
    config.second = "next_token"
    config.metric = "pixel_frechet(samples=500)"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.05
    return config
