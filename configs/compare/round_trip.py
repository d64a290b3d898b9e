"""A picture put into words and drawn again: who describes, and who draws?

  python scripts/compare.py --config=configs/compare/round_trip.py --workdir=runs/round_trip

Hardware: 2 CPU cores, 2 to 5 minutes an arm.
"""


def get_config(config, variant):
    config.title = "From a picture to words and back"
    config.question = "One model says what a picture shows, and another draws what it hears. Which two lose least?"
    drawing = "--config.conditioning.text=tokens"
    config.arms = {
        "describer": "configs/shapes_answers.py:captions",
        "masked_describer": "configs/shapes_answers.py:masked_captions",
        "noise_prediction": f"configs/shapes.py:noise_prediction --config.data.source=shapes:s8 {drawing}",
        "next_token": f"configs/shapes.py:next_token --config.data.source=shapes_codes:s8 {drawing}",
    }
    config.reference = "describer"
    config.varies = (
        "objective, data.source, conditioning.text, noise_prediction.decoder, noise_prediction.logsnr_max, "
        "noise_prediction.patch_size, noise_prediction.prediction, "
        "next_token.attention, masked_diffusion.steps, parameters, trunk_parameters, examples, supervised_targets"
    )
    return config
