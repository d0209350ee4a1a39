"""Is it said when a prompt has nothing to do with what a model was trained on, and not said when it has?

    python benchmarks/quality/scope.py                  # demo and emoji
    python benchmarks/quality/scope.py --model demo --list

Two lists a model: prompts that have nothing to do with its data (`prompts/MODEL_outside.txt`), and those that it knows:
captions of its data and other words for them. Prints the share of each that is said, as JSON; `--list` also prints the
prompts that were judged wrongly. The clips themselves are not made.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

import reelm
from reelm.data.moving_digits.scenes import captions, digits_for, sample_scene
from reelm.errors import RequestError
from reelm.lm.scope import outside
from reelm.sampling.model import Model

_PROMPTS = Path(__file__).parent / "prompts"
_JUDGES = Path(__file__).parents[2] / "evaluation" / "judges"
_CAPTIONS = 100


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Which model to ask."""

    model: tuple[str, ...] = ("demo", "emoji")
    """Shipped models."""
    list: bool = False
    """Also print the prompts that were judged wrongly."""


def lists(name: str, model: Model) -> dict[str, list[str]]:
    """Return the prompts by what they are."""
    found = {"outside": _lines(_PROMPTS / f"{name}_outside.txt")}
    if name == "demo":
        digits = digits_for("test")
        rngs = (np.random.default_rng([1, index]) for index in range(_CAPTIONS))
        scenes = [captions(sample_scene(rng, digits, split="test"), rng) for rng in rngs]
        return found | {"captions": [each[0] for each in scenes], "other words": _lines(_PROMPTS / "demo_known.txt")}
    assert model.thesaurus is not None
    files = {"other words": "emoji_paraphrases.tsv", "other words in Chinese": "emoji_paraphrases_zh.tsv"}
    known = {title: [line.split("\t")[1] for line in _lines(_JUDGES / file)[1:]] for title, file in files.items()}
    return found | {"captions": list(model.thesaurus.captions[::7][:_CAPTIONS])} | known


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def is_said(model: Model, prompt: str) -> bool:
    """Return whether a prompt is warned of, or refused because the text encoder cannot hold it."""
    name, defaults = model.name, model.defaults
    try:
        size = {"height": defaults.height, "width": defaults.width, "fps": defaults.fps}
        lm = model.language_model()
        asked = {**size, "likeness": model.likeness}
        return bool(outside(name, lm.scope, {prompt: lm.text.words(prompt)}, **asked))
    except RequestError:
        return True


def main() -> None:
    """Print the shares."""
    asked = tyro.cli(Arguments)
    for name in asked.model:
        model, shares = reelm.load(name), {}
        for kind, prompts in lists(name, model).items():
            said = [is_said(model, prompt) for prompt in prompts]
            shares[kind] = {"prompts": len(prompts), "said": sum(said), "share": round(sum(said) / len(said), 3)}
            if asked.list:
                wrong = [prompt for prompt, each in zip(prompts, said, strict=True) if each != (kind == "outside")]
                print(*(f"{name}, {kind}: {prompt}" for prompt in wrong), sep="\n")
        print(json.dumps({"model": name, **shares}))


if __name__ == "__main__":
    main()
