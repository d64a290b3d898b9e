"""The same models go on from the first two frames."""

VARIANTS = ("next_token", "noise_prediction")


def get_config(config, variant):
    config.shows = f"the first two frames are given, the other four drawn: held-out film, what is given, prediction; {variant.replace('_', ' ')}"
    config.medium = "films"
    config.train = f"configs/moving.py:{variant}"
    config.evaluate = "--redraw=2,6 --config.sample.count=256"
    config.sample = "--image=held_out --redraw=2,6 --config.sample.count=4"
    if variant == "noise_prediction":  # where what is known says nearly all, once put in after every step is not enough
        config.evaluate += " '--config.noise_prediction.inpaint=repaint(resamples=30)'"
        config.sample += " '--config.noise_prediction.inpaint=repaint(resamples=30)'"
    config.figures = "films as they went on=redrawn.as it was, films that keep the figure=redrawn.samples.films that keep it"
    return config
