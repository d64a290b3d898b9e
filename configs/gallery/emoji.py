"""Named pictures: emoji from words."""

VARIANTS = ("noise_prediction", "next_token", "masked_diffusion")


def get_config(config, variant):
    config.shows = f"emoji from words, here 'man running', {variant.replace('_', ' ')}"
    config.needs = "noto_emoji"
    config.train = f"configs/emoji.py:{variant} --config.data.dir=DATA"
    config.sample = "--prompt='man running' --config.sample.count=10 --config.sample.guidance_scale=2"
    return config
