"""Prompts with answers: questions, reasoning, summaries, chat; some also by masked diffusion, which writes an answer from all sides."""

ROOM = {"babi": 2, "reports": 28}  # tokens that masked diffusion has for an answer
VARIANTS = ("babi", "sums", "reports", "docstrings", "talks", "chat", *(f"{task}_masked_diffusion" for task in ROOM))
SHOWS = {
    "babi": "where somebody is, after the statements of a story",
    "sums": "a word problem, worked out",
    "reports": "who is where with what in the end, out of a report of what everybody did",
    "docstrings": "what a function does, in a line",
    "talks": "a chat in which what was said before matters and small instructions are followed",
    "chat": "an answer to an instruction, of a model that has read 159 of them, and knows words, not yet what is asked",
}
PROMPTS = {
    "babi": "Mary moved to the bathroom. John went to the hallway. Mary went back to the garden. Where is Mary?",
    "sums": "Mia has 3 bags of 4 nuts. She finds 12 more. Then she loses 5. How many nuts does Mia have now?",
    "reports": "Mia went to the park. Mia found a kite. It rained. Ben drove to the office. Then Mia walked to the harbour. Ben whistled.",
    "docstrings": "def is_set(self): return self._value",
    "chat": "Name three colours.",
}
TYPED = (
    "My name is Zoe.",
    "I have 12 shells.",
    "Which word is longer, river or dog?",
    "I find 5 more.",
    "Write lamp in capital letters.",
    "What is my favourite colour?",
    "What do I have?",
    "Who am I?",
)
RIGHT = "answers.scores.the model."


def get_config(config, variant):
    task, _, objective = variant.partition("_")
    config.shows = f"{SHOWS[task]}, {(objective or 'next_token').replace('_', ' ')}"
    config.medium = "text"
    config.train = f"configs/text_tasks.py:{task}"
    if objective:
        config.train += f" --config.objective={objective} --config.data.answer_room={ROOM[task]} --config.train.duration='2000 steps'"
        config.sample = config.evaluate = f"--config.masked_diffusion.steps={ROOM[task]} --config.masked_diffusion.order=confidence"
    if task == "babi":
        config.needs = "babi_qa1"
        config.train += " --config.data.source=pairs:DATA/babi_qa1/qa1_single-supporting-fact_train.txt.gz"
        config.evaluate += " --config.data.held_out=DATA/babi_qa1/qa1_single-supporting-fact_test.txt.gz"
        config.figures = f"% right={RIGHT}exact_match"
    if task == "sums":
        config.evaluate = "--config.evaluate.examples=400 --config.sample.length=96"
        config.figures = f"% right={RIGHT}final_number"
    if task == "reports":
        config.figures = f"% right={RIGHT}exact_match, ROUGE-L={RIGHT}rouge_l"
    if task == "talks":
        config.figures = f"% right={RIGHT}exact_match"
        config.typed = "\n".join(TYPED)
    if task == "docstrings":
        config.figures = f"ROUGE-L={RIGHT}rouge_l"
    if task == "chat":
        config.needs = "self_instruct_seed"
        config.train += " --config.data.source=pairs:DATA/self_instruct_seed/seed_tasks.jsonl"
    config.sample += " --chat" if task == "talks" else f" --prompt='{PROMPTS[task]}' --config.sample.count=1"
    config.evaluate, config.sample = config.evaluate.strip(), config.sample.strip()
    return config
