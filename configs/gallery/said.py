"""What is said of sounds, films and pictures, by one model of all three."""

VARIANTS = ("next_token", "masked_diffusion")


def get_config(config, variant):
    config.shows = (
        "one model says which digit it hears and who says it, what moves in a film and how, and what an emoji is called, " + variant.replace("_", " ")
    )
    config.medium = "text"
    config.needs = "spoken_digit, noto_emoji"
    config.train = f"configs/said.py:{variant} --config.data.dir=DATA"
    config.evaluate = "--config.sample.count=500"
    config.sample = "--image=held_out --config.sample.count=9"
    config.figures = (
        "sounds right=questions.spoken_digit.model.right.value, films right=questions.moving:shapes.model.right.value, "
        "words of emoji=questions.emoji.model.words.value"
    )
    return config
