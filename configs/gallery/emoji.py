"""Named pictures: emoji from words. A next-token model writes them at 16 pixels a side, 768 values."""

VARIANTS = ("noise_prediction", "next_token")


def get_config(config, variant):
    config.shows = f"emoji from words, here 'man running', {variant.replace('_', ' ')}"
    config.needs = "noto_emoji"
    config.train = f"configs/emoji.py:{variant} --config.data.dir=DATA"
    if variant == "next_token":
        config.train += " --config.data.source=emoji:side=16"
    config.sample = "--prompt='man running' --config.sample.count=10 --config.sample.guidance_scale=2"
    return config
