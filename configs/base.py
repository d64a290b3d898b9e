"""Every key of a training config: default, meaning, range. Recipes beside this file are short diffs of it; --help prints it.

Durations are text: "2000" or "2000 steps", "10 epochs", "1e6 examples", "5 percent" of the whole training.
"""

from genjax.config import Choice, Duration, Names, Paths, Source, field

FIELDS = {
    "seed": field(0, "root of every random number: parameters, data order, noise, dropout, samples", at_least=0, at_most=2**32 - 1),
    "objective": field(
        "next_token",
        "what is learned",
        choices=(
            "next_token",
            "noise_prediction",
            "masked_diffusion",
            "embedding_diffusion",
            "consistency",
            "mean_flow",
            "hybrid",
            "autoencoder",
            "classifier",
        ),
    ),
    "data": {
        "source": field(
            Source("digits"),
            "digits (embedded) | shapes:<tier> | shapes_codes:<tier> | shapes_captions:<tier> | shapes_answers:<tier> | "
            "tfds:<name> | npz:<file> | text:<file or folder> | pairs:<files> | points:<distribution> | moving:<what> | spoken_digit | "
            "audio:<folder> | emoji | coded:<source> | said:<sources> | together:<sources> | python_stdlib (embedded) | "
            "python_stdlib_docs (embedded) | tfds_text:<name> | markov (made up) | sums, reports, talks (made up)",
            choices=(
                "digits",
                "shapes",
                "shapes_codes",
                "shapes_captions",
                "shapes_answers",
                "tfds",
                "npz",
                "text",
                "pairs",
                "points",
                "moving",
                "spoken_digit",
                "audio",
                "emoji",
                "coded",
                "said",
                "together",
                "python_stdlib",
                "tfds_text",
                "markov",
                "sums",
                "reports",
                "talks",
                "python_stdlib_docs",
            ),
            files=("npz", "text", "pairs", "audio"),
        ),
        "dir": field(None, "folder of prepared tensorflow-datasets; None: GENJAX_DATA_DIR, then the library's own", kind=Paths, late=True),
        "batch_size": field(64, "examples a step, over all devices and micro-batches", at_least=1),
        "eval_batch_size": field(256, "examples a batch in evaluation and sampling; changes no result", at_least=1, late=True),
        "held_out": field(None, "files of pairs that are measured, written as in `source`; None: a tenth of its own", kind=Paths, late=True),
        "tokenizer": field(
            Choice("byte"), "text as tokens: bytes, the characters of the training split, or bpe(vocab=1024)", choices=("byte", "char", "bpe")
        ),
        "length": field(256, "tokens of a row of text", at_least=2),
        "packing": field(
            "windows",
            "rows of running text (not of pairs): windows of all documents one after the other, or whole documents that do not see each other",
            choices=("windows", "documents"),
        ),
        "middle": field(
            0.0,
            "share of the training windows of running text whose suffix comes first, so that next_token learns to fill gaps (sample.py --suffix)",
            at_least=0.0,
            at_most=1.0,
        ),
        "answer_room": field(
            None,
            "tokens that every answer of prompts takes with its end, which fills up what is left, so that an objective that draws a row at once need "
            "not be told how long it is; None: as many as it has",
            kind=int,
            at_least=1,
        ),
        "eval_stride": field(
            None, "new tokens a window of running text in evaluation; the others are context. None: half of `length`", kind=int, at_least=1, late=True
        ),
    },
    "conditioning": {
        "label": field(True, "condition on the class of an example, where the data has classes"),
        "text": field(
            "none",
            "condition on the caption of an example, where the data has captions: as positions before those of the data, by cross-attention of every "
            "block, or by the mean of its words",
            choices=("none", "tokens", "cross", "pooled"),
        ),
        "shown_patches": field(
            "8",
            "of data that are about arrays (said:...) or are several (together:...): a position is a patch of this many values a side; one number, "
            "or one an axis; of several kinds, with ; between them: 32; 1,4,4",
            kind=str,
        ),
        "drop_rate": field(
            0.1, "how often class and caption are hidden in training, so that guidance has a model without them", at_least=0.0, at_most=1.0
        ),
    },
    "model": {
        "width": field(64, "features a position", at_least=8, at_most=100_000),
        "depth": field(4, "transformer blocks", at_least=1, at_most=10_000),
        "heads": field(4, "attention heads", at_least=1),
        "kv_heads": field(None, "heads of keys and values, shared by groups of attention heads; None: as many", kind=int, at_least=1),
        "window": field(None, "attention reaches positions less than this far away; None: all", kind=int, at_least=1),
        "attention": field("xla", "the attention kernel; cudnn needs a GPU and bfloat16", choices=("xla", "cudnn")),
        "tied_head": field(False, "a token model's head shares the table of its inputs"),
        "logit_softcap": field(None, "a token model's logits are bounded by this, smoothly; None: never", kind=float, above=0.0),
        "mlp_ratio": field(8 / 3, "hidden features of the MLP over the width", above=0.0, at_most=1000.0),
        "norm": field("rms", "what is normalised before attention and MLP: the root mean square, or mean and deviation", choices=("rms", "layer")),
        "positions": field(
            "rotary",
            "how a position is told: by turning queries and keys, by a learned vector, or not at all, so that what sees all of a row sees a set",
            choices=("rotary", "learned", "none"),
        ),
        "mlp": field("gated", "SwiGLU, or a single map with GELU", choices=("gated", "plain")),
        "qk_norm": field(True, "normalise queries and keys"),
        "bias": field(False, "biases in the maps of attention and MLP"),
        "dropout": field(0.0, "dropout after attention and MLP", at_least=0.0, at_most=0.9),
        "dtype": field("float32", "dtype of the computation; parameters stay float32", choices=("float32", "bfloat16")),
        "scan_layers": field(False, "compile one block and loop over the layers"),
        "remat": field(False, "recompute a block's activations in the backward pass to save memory", recomputes=True),
    },
    "noise_prediction": {
        "autoencoder": field(None, "--workdir of a trained autoencoder, with the same autoencoder.*, to work in its latents; None: pixels", kind=str),
        "network": field("trunk", "the denoiser: the shared transformer over patches (a DiT), or a U-Net", choices=("trunk", "unet")),
        "patch_size": field((1,), "a position of the trunk is a patch of this many values a side; or one number for each axis", at_least=1),
        "prediction": field("eps", "what the network's output means", choices=("eps", "x0", "score", "v", "flow", "velocity", "edm")),
        "head": field("linear", "that output itself, or log-odds of the levels of each value, whose mean it is", choices=("linear", "odds")),
        "scaling": field("vp", "how alpha and sigma are read off the log-SNR", choices=("vp", "ve", "flow", "subvp")),
        "curve": field(
            "linear",
            "log-SNR as a function of time; learned is trained to make the loss less noisy",
            choices=("linear", "cosine", "linear_beta", "karras", "flow", "learned"),
        ),
        "shift": field(0.0, "added to the curve before it is cut to its ends, for example 2 log(64 / side) on large images"),
        "logsnr_min": field(-10.0, "log-SNR at the noise end", at_least=-40.0, at_most=40.0),
        "logsnr_max": field(9.0, "log-SNR at the data end", at_least=-40.0, at_most=40.0),
        "data_std": field(
            0.6, "root mean square of the data on [-1, 1], roughly: for the edm prediction and the start of sampling (latents: 1)", above=0.0
        ),
        "weighting": field(
            Choice("elbo"),
            "weight of the squared noise error over log-SNR; elbo makes the loss a likelihood bound",
            choices=("elbo", "simple", "snr", "min_snr", "soft_min_snr", "p2", "sigmoid", "edm", "flow", "target_mse", "uncertainty"),
        ),
        "time_sampler": field(
            Choice("stratified"),
            "how training draws its noise levels; it changes no expected loss",
            choices=("uniform", "stratified", "antithetic", "uniform_logsnr", "logit_normal", "lognormal_sigma"),
        ),
        "solver": field(
            Choice("ddpm"),
            "how a sample is drawn; adaptive chooses its own steps",
            choices=("ddpm", "ddim", "euler", "heun", "dpm2", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "edm_churn", "euler_maruyama", "pc", "adaptive"),
            late=True,
        ),
        "grid": field(
            Choice("uniform_logsnr"), "where the solver's steps lie", choices=("uniform_logsnr", "uniform_t", "karras", "trailing"), late=True
        ),
        "steps": field(64, "solver steps a sample", at_least=1, late=True),
        "guidance_logsnr_min": field(None, "guidance is off below this log-SNR; None: never", kind=float, late=True),
        "guidance_logsnr_max": field(None, "guidance is off above this log-SNR; None: never", kind=float, late=True),
        "guidance_rescale": field(0.0, "how far guided estimates keep the spread of unguided ones", at_least=0.0, at_most=1.0, late=True),
        "threshold": field(
            Choice("none"), "keep estimates of the clean image in range while sampling", choices=("none", "static", "dynamic"), late=True
        ),
        "inpaint": field(
            Choice("replacement"),
            "how a part is drawn anew: the known part put in after every step, the same with each step repeated, or guided by it",
            choices=("replacement", "repaint", "dps"),
            late=True,
        ),
        "edit_logsnr": field(0.0, "editing an image starts from it at this log-SNR (SDEdit): lower keeps less of it", late=True),
        "decoder": field(
            "levels",
            "what a pixel can be, in samples and likelihoods: any levels, each channel by itself, or a colour of the data's palette",
            choices=("levels", "palette"),
            late=True,
        ),
        "likelihood": field(
            Choice("bound"),
            "the variational bound, that of ancestral sampling in `steps` steps, or the probability-flow ODE, by the noise that fills a level",
            choices=("bound", "discrete_bound", "ode", "ode_uniform"),
            late=True,
        ),
        "eval_times": field(16, "noise levels (bound) or trajectories (ode) drawn for each example of a likelihood", at_least=2, late=True),
    },
    "consistency": {
        "pairs": field(
            Choice("ratio"),
            "how far apart the two noise levels of a row are; both come closer in the course of training",
            choices=("ratio", "karras"),
        ),
        "distance": field(Choice("pseudo_huber"), "between the two ends of a row", choices=("squared", "pseudo_huber", "adaptive")),
    },
    "mean_flow": {
        "apart": field(0.25, "share of the rows with two different times; the others learn the flow's velocity", at_least=0.0, at_most=1.0),
        "distance": field(Choice("adaptive"), "between velocity and target", choices=("squared", "pseudo_huber", "adaptive")),
    },
    "hybrid": {
        "words_weight": field(1.0, "weight of the caption's nats in the loss; 1 makes it a bound of caption and picture together", at_least=0.0),
        "describes": field(
            0.0, "how often a caption is learned behind its picture; 0: never, and pictures are not described", at_least=0.0, at_most=1.0
        ),
    },
    "unet": {
        "channels": field(32, "features at the image's own resolution", at_least=4, at_most=100_000),
        "multipliers": field((1, 2, 2), "features of each resolution over `channels`; each is half the one before", at_least=1, at_most=1000),
        "blocks": field(1, "residual blocks a resolution", at_least=1, at_most=10_000),
        "attention": field((), "heights of the feature maps that have self-attention", at_least=1),
        "heads": field(4, "heads of that attention", at_least=1),
    },
    "autoencoder": {
        "latent_channels": field(4, "channels of a latent", at_least=1),
        "channels": field(32, "features at the image's own resolution", at_least=4, at_most=100_000),
        "multipliers": field(
            (1, 2, 2), "features of each resolution over `channels`; each is half the one before, the last the latents'", at_least=1, at_most=1000
        ),
        "blocks": field(1, "residual blocks a resolution, in the encoder and in the decoder", at_least=1, at_most=10_000),
        "beta": field(1.0, "weight of the latents' nats in the loss; 1 makes it a likelihood bound, less keeps more of the image", at_least=0.0),
        "draws": field(4, "latents drawn for each example of a likelihood, of the autoencoder or in its latents", at_least=2, late=True),
    },
    "classifier": {
        "patch_size": field((4,), "a position is a patch of this many values a side; one number, or one for each axis", at_least=1),
        "shift": field(
            0,
            "in training, an array is turned along its first axis by up to this many values, what leaves it at one end coming in at the other",
            at_least=0,
        ),
    },
    "next_token": {
        "attention": field(
            "causal", "what a token sees: those before it, or, in a prompt, also the rest of the prompt (a prefix LM)", choices=("causal", "prefix")
        ),
        "encoder": field(
            Choice("none"),
            "prompts are read by the model itself, or by a trunk of their own that it attends to: trunk(depth=2)",
            choices=("none", "trunk"),
        ),
        "scan": field(
            Choice("raster"),
            "in what order the values of an array are predicted: row by row, along a Hilbert curve, or by a fixed permutation, random(seed=0)",
            choices=("raster", "hilbert", "random"),
        ),
        "temperature": field(1.0, "of the sampled distribution; 0 takes the likeliest token", at_least=0.0, late=True),
        "top_k": field(0, "sample among the k likeliest tokens; 0: all", at_least=0, late=True),
        "top_p": field(1.0, "sample among the likeliest tokens that hold this probability", above=0.0, at_most=1.0, late=True),
        "min_p": field(0.0, "sample among tokens of at least this share of the likeliest one's probability", at_least=0.0, at_most=1.0, late=True),
        "beams": field(
            0,
            "the likeliest sequence is searched for with this many beams, instead of drawing by the fields above; 0: draw",
            at_least=0,
            late=True,
        ),
        "length_penalty": field(1.0, "a beam's log-probability is divided by its length to this power", at_least=0.0, late=True),
        "draft": field(
            Choice("none"),
            "guesses of the next tokens, which one call of the model checks; what is drawn is the same. repeat_last(context=3, guesses=4): "
            "the last tokens go on as when they were last drawn",
            choices=("none", "repeat_last"),
            late=True,
        ),
        "prefill_chunk": field(
            None, "tokens of a prompt that are read at once, so that memory does not grow with its square; None: all", kind=int, at_least=1, late=True
        ),
        "loss_chunk": field(
            None, "positions whose logits are held at once in the loss, to save memory; None: all", kind=int, at_least=1, recomputes=True
        ),
        "z_loss": field(0.0, "weight of the squared log-normaliser of the softmax in the training loss", at_least=0.0),
        "label_smoothing": field(0.0, "share of the uniform distribution in the training target", at_least=0.0, at_most=0.999),
    },
    "masked_diffusion": {
        "block_size": field(0, "values are written in blocks of this many, each by diffusion given those before; 0: all at once", at_least=0),
        "shifted": field(False, "read a prediction where the value before goes in, as next_token does; then blocks of 1 are next_token itself"),
        "schedule": field(
            Choice("linear"), "share of masked values over time; it changes no expected loss", choices=("linear", "cosine", "polynomial")
        ),
        "masking": field(
            "counted", "how training masks: a number of values, or each on its own; it changes no expected loss", choices=("counted", "independent")
        ),
        "time_sampler": field(
            "stratified", "how training draws its times; it changes no expected loss", choices=("uniform", "stratified", "antithetic")
        ),
        "steps": field(64, "steps in which a sample (each block of it) is revealed", at_least=1, late=True),
        "order": field(
            Choice("random"),
            "what a step reveals: each value by chance (ancestral), a number of them anywhere, from the left, or the likeliest, which is biased",
            choices=("ancestral", "random", "left_to_right", "confidence"),
            late=True,
        ),
        "temperature": field(1.0, "of the sampled distributions; 0 takes the likeliest value", at_least=0.0, late=True),
        "top_p": field(1.0, "sample among the likeliest values that hold this probability", above=0.0, at_most=1.0, late=True),
        "likelihood": field(
            "bound", "the bound in continuous time, or that of ancestral sampling in `steps` steps", choices=("bound", "discrete_bound"), late=True
        ),
        "eval_times": field(16, "maskings drawn for each example of a likelihood", at_least=2, late=True),
    },
    "embedding_diffusion": {
        "width": field(16, "dimensions of the vector that stands for a token", at_least=2, at_most=100_000),
        "logsnr_min": field(-8.0, "log-SNR at the noise end", at_least=-40.0, at_most=40.0),
        "logsnr_max": field(5.0, "log-SNR at the data end, where the decoder must tell the vectors apart", at_least=-40.0, at_most=40.0),
        "time_sampler": field(
            "stratified", "how training draws its noise levels; it changes no expected loss", choices=("uniform", "stratified", "antithetic")
        ),
        "solver": field(
            Choice("ddpm"),
            "how a sample is drawn, on even steps of log-SNR",
            choices=("ddpm", "ddim", "euler", "heun", "dpm2", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "edm_churn", "euler_maruyama", "pc"),
            late=True,
        ),
        "steps": field(64, "solver steps a sample", at_least=1, late=True),
        "eval_times": field(16, "noise levels drawn for each example of a likelihood", at_least=2, late=True),
    },
    "optimizer": {
        "name": field(
            "adamw", "the rule of an update; muon is for hidden matrices, with AdamW for the rest", choices=("adamw", "muon", "lion", "adafactor")
        ),
        "adam_learning_rate": field(None, "peak learning rate of what muon leaves to AdamW; None: the same", kind=float, above=0.0),
        "momentum": field(0.95, "muon's decay of the gradient mean", at_least=0.0, at_most=0.9999),
        "base_width": field(
            None,
            "learning rates are those that are right for a model of this width, and are carried over to model.width; None: no",
            kind=int,
            at_least=1,
        ),
        "learning_rate": field(2e-3, "peak learning rate", above=0.0),
        "schedule": field("cosine", "learning rate after the warm-up", choices=("cosine", "constant", "wsd", "inverse_sqrt")),
        "warmup": field(Duration("5 percent"), "linear warm-up", at_least=0),
        "decay": field(Duration("20 percent"), "the line to zero at the end of the wsd schedule", at_least=0),
        "b1": field(0.9, "Adam's decay of the gradient mean", at_least=0.0, at_most=0.9999),
        "b2": field(0.99, "Adam's decay of the squared gradient", at_least=0.0, at_most=0.99999),
        "weight_decay": field(0.05, "decoupled decay of kernels and embeddings, scaled by the learning rate", at_least=0.0),
        "clip_norm": field(1.0, "global gradient norm is clipped to this; None: never", kind=float, optional=True, above=0.0),
        "ema": field(
            Choice("constant(decay=0.995)"),
            "the averaged parameters that are evaluated and sampled: constant(decay), which warms up as (1+step)/(10+step), or power(sigma_rel)",
            choices=("constant", "power"),
        ),
        "tracked": field(
            Choice("none"),
            "power averages whose snapshots make others after training (--weights='posthoc(sigma_rel=0.07)'): pair(narrow=0.05, wide=0.1)",
            choices=("none", "pair"),
        ),
    },
    "train": {
        "duration": field(Duration("1000 steps"), "how long to train", at_least=0),
        "init_from": field(
            None, "a folder of scripts/export.py, or of a GPT-2 in Hugging Face's layout, whose parameters training begins with", kind=str
        ),
        "accumulation": field(1, "micro-batches a step", at_least=1),
        "steps_per_dispatch": field(8, "optimizer steps compiled into one program", at_least=1),
        "log_every": field(Duration("50 steps"), "between rows of metrics.jsonl and of the terminal", above=0),
        "evaluate_every": field(Duration("25 percent"), "between measurements on the held-out split", above=0),
        "sample_every": field(Duration("50 percent"), "between sample sheets", above=0),
        "checkpoint_every": field(Duration("10 percent"), "between checkpoints", above=0),
        "max_bad_steps": field(0, "steps in a row whose loss or gradient is not finite and that are left out; one more is too many", at_least=0),
        "after_bad_steps": field(
            "stop",
            "after too many bad steps: stop, or roll_back to the newest checkpoint and go on without the data since",
            choices=("stop", "roll_back"),
        ),
        "check_replicas": field(False, "before each checkpoint, compare bit by bit what several devices hold of the same"),
        "profile_steps": field((), "record steps from,to with JAX's profiler into profile/, for example 100,110", at_least=0),
        "hang_minutes": field(
            None, "end the process, with its stacks, when no step ends for so long; None: never", kind=float, above=0.0, at_most=1e6
        ),
        "snapshot_every": field(Duration("5 percent"), "between snapshots of optimizer.tracked; all of them are kept", above=0),
    },
    "checkpoint": {
        "keep": field(2, "newest checkpoints kept; at least 2, so that one is whole while another is written", at_least=2),
    },
    "sample": {
        "count": field(100, "samples to draw", at_least=1, late=True),
        "length": field(None, "tokens of a text that is drawn; None: data.length", kind=int, at_least=1, late=True),
        "guidance_scale": field(
            1.0, "guidance, by default classifier-free; 1 is off (with a classifier as guide: its posterior)", at_least=0.0, late=True
        ),
        "negative_label": field(None, "the class that guidance leads away from; None: from the model without class", kind=int, at_least=0, late=True),
        "guide": field(None, "workdir of a model that guides: a weaker one (autoguidance), or a classifier", kind=str, late=True),
    },
    "evaluate": {
        "examples": field(None, "held-out examples to measure; None: all", kind=int, at_least=1, late=True),
    },
    "parallel": {
        "mode": field("jit", "how the step is compiled: over a named mesh, or by pmap", choices=("jit", "pmap"), late=True),
        "data": field(-1, "devices that split the batch; -1: all that are left", at_least=-1, late=True),
        "fsdp": field(1, "devices that split the batch and the parameters", at_least=1, late=True),
        "tensor": field(1, "devices that split heads and MLP features", at_least=1, late=True),
        "cpu_devices": field(
            None, "devices that a process makes of its CPU, if it runs on one; None: one, or as XLA_FLAGS says", kind=int, at_least=1, late=True
        ),
    },
    "logging": {
        "tensorboard": field(True, "write TensorBoard event files"),
        "wandb": field(None, "Weights & Biases project to log to; needs the extra [wandb]", kind=str),
    },
}

# A comparison (configs/compare/): which arms, what is made equal and what is meant to differ. Beside these fields it has
#   arms      {name: "recipe.py:variant --config.field=value ..."}, each the command line of one training
#   waive     ["field: reason", ...], what differs although it should not; printed in the report
#   frontier  {arm: ["field=value,value,... field=value,...", ...]}, the settings that scripts/frontier.py samples with, every combination of a line
#   budget    {arm: 2.0}, how many times the reference's budget an arm is given, where it is held against two arms together
COMPARISON = {
    "title": field("", "the report's title"),
    "question": field("", "what the comparison is to tell, in a sentence or two"),
    "reference": field("", "the arm whose budget the others are given"),
    "match": field(
        Names("train_flops"),
        "what is made equal; the first that the length of training decides sets it, the others are checked",
        choices=("train_flops", "parameters", "wall_clock", "supervised_targets", "examples"),
    ),
    "varies": field(Names(""), "what is meant to differ: config fields, groups of them, and quantities; anything else that differs is refused"),
    "tolerance": field(0.02, "relative difference up to which two quantities count as equal", above=0.0, at_most=0.5),
    "seeds": field(1, "trainings of every arm, with seeds from `seed` on and the same for each arm", at_least=1),
    "samples_per_class": field(8, "samples of each class in the report, or of each column without classes", at_least=1),
}

# A claim (configs/claims/): a statement of the two posts as a hypothesis that is fixed before it is run.
CLAIM = {
    "number": field("", "the statement's number"),
    "aspect": field("", "which side of the statement this is, in a few words"),
    "statement": field("", "the idea of the posts, in our words"),
    "hypothesis": field("", "what would have to be true, so that it can be found false"),
    "if_supported": field("", "what is then to be said of the statement: so, not so, or in part"),
    "if_refuted": field("", "and what when the hypothesis is refuted; {more} and {less} name the sides with more and less of the metric"),
    "confounds": field("", "what the statement mixes, if it does"),
    "compare": field("", "the comparison that is trained"),
    "training": field("", "training fields of every arm, as 'field=value field=value'"),
    "first": field("", "an arm, and how it is used: 'arm --config.field=value ...'"),
    "second": field("", "the arm that it is held against"),
    "metric": field(
        Choice("bits_per_dim"),
        "what is measured; the effect is the first side's less the second's",
        choices=(
            "bits_per_dim",
            "bound_per_dim",
            "excess_bits",
            "excess_bound",
            "follow",
            "strict",
            "valid",
            "colours",
            "clauses",
            "told_apart",
            "leaves_out",
            "shown",
            "hidden_cell",
            "filled_in",
            "answers",
            "round_trip",
            "caption_choice",
            "network_evaluations",
            "sequential_depth",
            "sample_flops",
            "latency",
            "throughput",
            "pixel_frechet",
            "vendi",
            "left_open",
            "near_copies",
            "membership_tpr",
            "membership_auc",
            "disagreement",
        ),
    ),
    "direction": field("greater", "the hypothesis about the effect, against the margin", choices=("greater", "less", "equal")),
    "margin": field(0.0, "differences up to this do not matter", at_least=0.0),
    "seeds": field(5, "trainings of every arm, each with the same seeds", at_least=2),
    "family": field("digits", "claims that are corrected together"),
    "tried": field(0, "times that it was measured before in a form that is not registered any more; each counts in the family", at_least=0),
}

# An entry of the gallery (configs/gallery/): what is trained, how it is measured and what is drawn, each as flags of the script of that name. DATA
# stands for the folder of other people's data, and --classifier=NAME for the training of another entry.
GALLERY = {
    "shows": field("", "what there is to see, hear or read, in a line"),
    "medium": field("pictures", "under which heading it stands", choices=("pictures", "films", "sound", "points", "text")),
    "needs": field(Names(""), "the sets of other people's data that are read; none where empty"),
    "train": field("", "flags of scripts/train.py after --config=: 'configs/digits.py:next_token --config.field=value ...'"),
    "evaluate": field("", "flags of scripts/evaluate.py"),
    "sample": field("", "flags of scripts/sample.py; nothing is drawn where empty"),
    "typed": field("", "the lines that are typed into a --chat"),
    "figures": field(Names(""), "numbers of the evaluation that are shown beside the bits, by their paths: 'judged.samples.accuracy'"),
}

# A sweep (configs/sweeps/): a recipe and the axes that its cells differ in. Its `axes` are texts: ["optimizer.learning_rate=1e-4,3e-4", "seed=0..4"].
SWEEP = {
    "recipe": field("", "what is trained, for example configs/digits.py:next_token"),
    "mode": field("product", "how axes make cells: crossed, together, or one at a time from the recipe", choices=("product", "zip", "ablate")),
}
