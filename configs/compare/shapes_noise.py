"""Coloured shapes by noise prediction: what else than more compute brings the bound nearer to the entropy.

python scripts/compare.py --config=configs/compare/shapes_noise.py --workdir=runs/shapes_noise

Hardware: 2 CPU cores, 4 to 5 minutes an arm.
"""

_RECIPE = "configs/shapes.py:noise_prediction"
_FIELDS = {
    "wider": "model.width=128",
    "deeper": "model.depth=6",
    "patches of a pixel": "noise_prediction.patch_size=1",
    "x0": "noise_prediction.prediction=x0",
    "ends further out": "noise_prediction.logsnr_min=-12 --config.noise_prediction.logsnr_max=7",
    "noise end nearer": "noise_prediction.logsnr_min=-8",
    "important levels": "noise_prediction.time_sampler='logit_normal(mean=-0.6,std=0.8)'",
    "learned schedule": "noise_prediction.curve=learned",
}
_NEARER = f"{_FIELDS['x0']} --config.{_FIELDS['noise end nearer']}"
_FIELDS |= {"x0, noise end nearer": _NEARER, "x0, noise end nearer, learned schedule": f"{_NEARER} --config.{_FIELDS['learned schedule']}"}


def get_config(config, variant):
    config.title = "Coloured shapes: the bound of noise prediction, at one training budget"
    config.question = (
        "The entropy of the scenes is known and the ideal denoiser reaches it. At the training compute of 1000 steps of the recipe: does another "
        "size of the network, another target, another range or another choice of noise levels come nearer?"
    )
    config.arms = {"recipe": f"{_RECIPE} --config.train.duration='1000 steps'"} | {
        name: f"{_RECIPE} --config.{fields}" for name, fields in _FIELDS.items()
    }
    config.reference = "recipe"
    config.varies = (
        "model.width, model.depth, noise_prediction.patch_size, noise_prediction.prediction, noise_prediction.logsnr_min, "
        "noise_prediction.logsnr_max, noise_prediction.time_sampler, noise_prediction.curve, "
        "parameters, trunk_parameters, examples, supervised_targets"
    )
    return config
