"""The model card: the page of a model folder, in the form that model hubs read.

In: what `Model.info` returns, and figures if there are any. Out: Markdown. Everything on the page is taken from the
model and its record. The card claims no quality beyond the figures it is given.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reelm.lm.tasks import TASKS
from reelm.registry import DataCard, data_cards

_HEADER = """\
---
library_name: reelm
pipeline_tag: text-to-video
tags: [jax, video-generation, autoregressive]
---
"""

# What a user can start from, for each task.
_STARTS: Mapping[str, str] = {task: spec.starts_from for task, spec in TASKS.items()}


_DIGITS = "handwritten digits in seven colours that move over black, one or two at a time"
_SOUNDING = f"{_DIGITS}, with a voice that names them and ticks of bounces"
_CHINESE = "; captions in English and Chinese"
_MNIST = "MNIST (Yann LeCun and Corinna Cortes), CC BY-SA 3.0"
_VOICES = "Free Spoken Digit Dataset (CC BY-SA 4.0), Asterisk core sounds (CC BY-SA 3.0), Flite and eSpeak NG"
_DATA = {
    "moving_digits": DataCard(_DIGITS, _MNIST, "a red seven moves right"),
    "moving_digits_sound": DataCard(_SOUNDING, f"{_MNIST}; {_VOICES}", "a red seven moves right"),
    "moving_digits_voices": DataCard(_SOUNDING, f"{_MNIST}; {_VOICES}", "a red seven moves right"),
    "moving_digits_sound_zh": DataCard(f"{_SOUNDING}{_CHINESE}", f"{_MNIST}; {_VOICES}", "红色的七向右移动"),
    "moving_digits_stories": DataCard(f"{_SOUNDING}{_CHINESE}", f"{_MNIST}; {_VOICES}", "a red seven moves right"),
    "steered_digits": DataCard(f"{_SOUNDING}{_CHINESE}", f"{_MNIST}; {_VOICES}", "a red seven moves right"),
    "steered_pairs": DataCard(f"{_SOUNDING}{_CHINESE}", f"{_MNIST}; {_VOICES}", "a red seven and a blue two"),
}


def card(about: Mapping[str, Any], evaluation: Mapping[str, str] | None = None) -> str:
    """Return the card of a model.

    Args:
        about: what `Model.info` returns.
        evaluation: figures by what they measure, with the command in the name; None for a card without figures.
    """
    return "\n".join((_HEADER, *_lines(about, evaluation or {}))) + "\n"


def _lines(about: Mapping[str, Any], evaluation: Mapping[str, str]) -> Iterator[str]:
    name, record = about["name"], about.get("record", {})
    model, data = about.get("language model"), list(data_sets(record))
    cards = {**_DATA, **data_cards()}
    known = [cards[each] for each in data if each in cards]
    yield f"# {name}\n"
    what = "Tokenizers of video and sound" if "audio tokenizer" in about else "A video tokenizer"
    keys = model.get("keys", "") if model else ""
    yield f"{'A world that is played with keys' if keys else 'Words to video' if model else what}, made with reelm.\n"
    yield f'```python\nimport reelm\n\nmodel = reelm.load("{name}")  # or the folder of this page, or its id on the hub'
    if keys:
        yield f'world = model.play(seed=0)\nworld.step(keys=["{keys.split(", ")[0]}"]).save("frame.png")'
    elif model:
        yield f'model.generate("{known[-1].prompt if known else "a caption as in its data"}").save("clip.mp4")'
    else:
        yield "model.video_tokenizer.reconstruct(video)  # uint8 [T, H, W, 3]"
        if "audio tokenizer" in about:
            yield "model.audio_tokenizer.reconstruct(sound, sample_rate)  # float32 [S, C]"
    yield "```\n"
    yield "## Intended use\n"
    if model:
        defaults = about["defaults"]
        able = [part["tasks"].split(", ") for part in about.values() if isinstance(part, Mapping) and "tasks" in part]
        tasks = dict.fromkeys(_STARTS.get(task, task) for each in able for task in each)
        yield f"Clips of {defaults['width']}x{defaults['height']} at {defaults['fps']:g} frames a second, from:\n"
        yield "".join(f"- {start}\n" for start in tasks)
    else:
        yield "Videos to codes and back, at any size and length. It does not generate.\n"
    yield "## Limits\n"
    if model:
        shown = known[-1].shows if known else "what its training data shows"
        yield f"- It knows only {shown}.\n- Clips beyond {model['window']} are made by a sliding window.\n"
    else:
        yield "- What it rebuilds is not the original: measure the loss on footage of your own.\n"
    yield "## Data and licence\n"
    licences = {each: cards[each].licence if each in cards else "state it before you share the model" for each in data}
    licences |= _sources(record)
    yield "| data set | licence |\n|---|---|"
    yield from (f"| {each} | {licence} |" for each, licence in (licences or {"not recorded": ""}).items())
    yield "\n## Evaluation\n"
    if evaluation:
        yield "| measure | result |\n|---|---|"
        yield from (f"| {measure} | {value} |" for measure, value in evaluation.items())
        yield ""
    else:
        yield f"Not measured. `reelm evaluate {'generation' if model else 'reconstruction'}` prints figures.\n"
    for part, values in about.items():
        if isinstance(values, Mapping) and part != "record":
            yield f"## {part[0].upper()}{part[1:]}\n\n| | |\n|---|---|"
            yield from (f"| {key} | {value} |" for key, value in values.items())
            yield ""
    if record:
        yield "## Training\n"
    for part, run in record.items():
        yield from _run(part.replace("_", " "), run) if isinstance(run, Mapping) else (f"{part}: {run}\n",)


def data_sets(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the data sets that the runs of a record saw, each once, the language model's last."""
    seen: dict[str, None] = {}
    for run in record.values():
        config = run.get("config", {}) if isinstance(run, Mapping) else {}
        sources = [config.get("data", {}), *(each.get("source", {}) for each in config.get("token_sets", ()))]
        seen |= dict.fromkeys(str(source["dataset"]).partition("/")[0] for source in sources if "dataset" in source)
    yield from seen


def _sources(record: Mapping[str, Any]) -> dict[str, str]:
    """Return source -> licence of the third-party weights that a part is, or was started from."""
    found = {}
    for run in record.values():
        while isinstance(run, Mapping):
            found |= {run["source"]: run["licence"]} if "source" in run else {}
            run = run.get("started_from")
    return found


def _run(part: str, run: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {part[0].upper()}{part[1:]}\n"
    if "source" in run:
        yield "Trained by others, and converted.\n\n| | |\n|---|---|"
        yield from (f"| {key} | {value} |" for key, value in run.items())
        yield ""
        return
    metrics = dict(run.get("last_metrics", {}))
    seconds = metrics.pop("seconds", None)
    took = "" if seconds is None else f", {seconds / 3600:.2f} hours"
    yield f"{run.get('steps', '?')} steps{took}. The last metrics logged:\n\n| metric | value |\n|---|---|"
    shown = {name: value for name, value in metrics.items() if isinstance(value, int | float) and name != "step"}
    yield from (f"| {name} | {value:.5g} |" for name, value in shown.items())
    yield "\n<details><summary>Everything that decided the run</summary>\n\n```json"
    yield json.dumps(run.get("config", {}), indent=1)
    yield "```\n\n</details>\n"
