"""The same models draw what is missing between the beginning and the end of a film."""

VARIANTS = ("next_token", "noise_prediction")


def get_config(config, variant):
    config.shows = f"the first two frames and the last two are given, the two between them drawn; {variant.replace('_', ' ')}"
    config.medium = "films"
    config.train = f"configs/moving.py:{variant}"
    config.evaluate = "--redraw=2,4 --config.sample.count=256"
    config.sample = "--image=held_out --redraw=2,4 --config.sample.count=4"
    if variant == "noise_prediction":
        config.evaluate += " '--config.noise_prediction.inpaint=repaint(resamples=30)'"
        config.sample += " '--config.noise_prediction.inpaint=repaint(resamples=30)'"
    config.figures = "films as they went on=redrawn.as it was, films that keep the figure=redrawn.samples.films that keep it"
    return config
