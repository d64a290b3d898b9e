"""One model for a picture, or two: one that plans what a caption leaves open, and one that draws the plan.

  python scripts/compare.py --config=configs/compare/planning.py --workdir=runs/planning

Two models together are held against one that is given as much compute as both. Hardware: 2 CPU cores, 3 to 6 minutes an arm.
"""


def get_config(config, variant):
    config.title = "A model that plans and a model that draws"
    config.question = (
        "A caption leaves open what the scene shows. Does it help that one model decides, in words, and another draws, at the compute of "
        "one model that does both?"
    )
    config.arms = {
        "drawer": "configs/shapes.py:noise_prediction --config.data.source=shapes:s8/told=plan --config.conditioning.text=tokens",
        "planner": "configs/shapes_answers.py:captions --config.data.source=shapes_answers:s8/task=plan --config.next_token.attention=causal",
        "noise_prediction": "configs/shapes.py:noise_prediction --config.data.source=shapes:s8 --config.conditioning.text=tokens",
        "next_token": "configs/shapes.py:next_token --config.data.source=shapes_codes:s8 --config.conditioning.text=tokens",
    }
    config.reference = "drawer"
    config.budget = {"noise_prediction": 2.0, "next_token": 2.0}
    config.varies = (
        "objective, data.source, conditioning.text, noise_prediction.decoder, noise_prediction.logsnr_max, "
        "noise_prediction.patch_size, noise_prediction.prediction, "
        "masked_diffusion.steps, parameters, trunk_parameters, examples, supervised_targets"
    )
    return config
