"""The page that goes with a model's weights: what it is, how it is used, how it was trained.

Comes in: what `Model.info` says. Goes out: Markdown with the header that model hubs read. Everything on it is taken
from the model; nothing is claimed of its quality but what its record holds.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_HEADER = """\
---
library_name: reelm
pipeline_tag: text-to-video
tags: [jax, video-generation, autoregressive]
---
"""


def card(about: Mapping[str, Any]) -> str:
    """The page for a model of which `Model.info` says `about`."""
    return "\n".join((_HEADER, *_lines(about))) + "\n"


def _lines(about: Mapping[str, Any]) -> Iterator[str]:
    name, record = about["name"], about.get("record", {})
    yield f"# {name}\n"
    speaks = "language model" in about
    yield f"{'Words to video' if speaks else 'A video tokenizer'}, by reelm.\n"
    yield "```python\nimport reelm\n"
    yield 'model = reelm.load("FOLDER OR HUB ID OF THIS PAGE")'
    if speaks:
        yield 'model.generate("WORDS LIKE THOSE IT WAS TRAINED ON").save("clip.mp4")'
    else:
        yield "model.video_tokenizer.reconstruct(video)  # uint8 [T, H, W, 3]"
    yield "```\n"
    for part, values in about.items():
        if isinstance(values, Mapping) and part != "record":
            yield f"## {part[0].upper()}{part[1:]}\n\n| | |\n|---|---|"
            yield from (f"| {key} | {value} |" for key, value in values.items())
            yield ""
    if record:
        yield "## Training\n"
    for part, run in record.items():
        yield from _run(part.replace("_", " "), run) if isinstance(run, Mapping) else (f"{part}: {run}\n",)


def _run(part: str, run: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {part[0].upper()}{part[1:]}\n"
    metrics = dict(run.get("last_metrics", {}))
    seconds = metrics.pop("seconds", None)
    took = "" if seconds is None else f", {seconds / 3600:.2f} hours"
    yield f"{run.get('steps', '?')} steps{took}. The last metrics logged:\n\n| metric | value |\n|---|---|"
    shown = {name: value for name, value in metrics.items() if isinstance(value, int | float) and name != "step"}
    yield from (f"| {name} | {value:.5g} |" for name, value in shown.items())
    yield "\nEverything that decided the run:\n\n```json"
    yield json.dumps(run.get("config", {}), indent=1)
    yield "```\n"
