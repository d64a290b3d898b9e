"""Named pictures: emoji from words."""

VARIANTS = ("noise_prediction", "next_token", "masked_diffusion")


def get_config(config, variant):
    config.shows = f"emoji from words, here 'woman cook', {variant.replace('_', ' ')}"
    config.needs = "noto_emoji"
    how = {
        "noise_prediction": "--config.sample.guidance_scale=2",
        "next_token": "--config.next_token.top_p=0.9",
        "masked_diffusion": "--config.masked_diffusion.order=random --config.masked_diffusion.steps=128 --config.masked_diffusion.temperature=0.7",
    }[variant]
    config.evaluate = f"--describer=said_next_token --config.sample.count=128 {how}"
    read = {"drawn": "a describer reads in what is drawn for them", "held_out": "it reads in the emoji", "by_chance": "it reads in others"}
    config.figures = ", ".join(f"words of names that {what}=read.{part}.words.value" for part, what in read.items())
    config.train = f"configs/emoji.py:{variant} --config.data.dir=DATA"
    config.sample = f"--prompt='woman cook' --config.sample.count=10 {how}"
    return config
