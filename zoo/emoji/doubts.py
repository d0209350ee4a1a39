"""Count the prompts that a model of emoji doubts (`reelm evaluate generation --task emoji-doubts`).

In: a `Model` with prompt retrieval. Out: for each group of prompts the share that comes with a warning, as plain JSON
values. Of prompts that mean an emoji it should doubt few; of those that mean none, nearly all. No row is fitted:
`phrases.py` leaves out those of `unknown.tsv`, and no sentence here has its forms. Nothing is drawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reelm.evaluation.groups import check_at_least
from reelm.evaluation.scores.intervals import means
from reelm.lm.training_domain import outside
from reelm.progress import Progress, silent
from reelm.sampling.model import Model

from .judge import CHINESE_PARAPHRASES, named_in_chinese, paraphrases
from .phrases import unknown_prompts

_ENGLISH = ("look, a {} over there", "I love this {} so much", "can you make a {} for me", "where is the {}?", "{}!")
_CHINESE = ("来一个{}", "这是{}吗", "我喜欢{}", "远处有{}", "一张{}的图")


def doubts(model: Model, *, clips: int = 100, seed: int = 0, progress: Progress = silent) -> dict[str, dict[str, Any]]:
    """Return the share of doubted prompts of each group, at most `clips` of each; those of `unknown.tsv` all.

    captions, chinese: names as the model knows them
    sentences, chinese_sentences: these within sentences that were not fitted
    traditional: Chinese names in traditional characters; some are other names than the simplified ones
    paraphrases, chinese_paraphrases: a hundred emoji in words that no caption has
    known: all of these
    symbols, scripts, rubbish, names, things, things_zh, ideas: prompts that mean no emoji
    unknown: all of these

    seed: of the first name of each group.
    """
    check_at_least(1, clips=clips)
    known, unknown = _known(model, clips, seed), unknown_prompts()
    groups = {**known, "known": _joined(known), **unknown, "unknown": _joined(unknown)}
    found: dict[str, dict[str, Any]] = {}
    for number, (name, prompts) in enumerate(groups.items()):
        rows = [{"doubted": is_doubted(model, prompt)} for prompt in prompts]
        found[name] = {"prompts": len(prompts), **means(rows, {"doubted": "doubted_interval"})}
        progress(number + 1, len(groups))
    return found


def is_doubted(model: Model, prompt: str) -> bool:
    """Return whether the model warns of a prompt."""
    lm, defaults = model.language_model(), model.defaults
    size: dict[str, Any] = {name: getattr(defaults, name) for name in ("height", "width", "fps")}
    words = {prompt: lm.text.words(prompt)}
    return bool(outside(model.name, lm.training_domain, words, **size, similarity=model.similarity))


def _known(model: Model, count: int, seed: int) -> dict[str, list[str]]:
    captions = [] if model.prompt_retrieval is None else sorted(model.prompt_retrieval.captions)
    simplified, traditional = named_in_chinese()
    return {
        "captions": _some(captions, count, seed),
        "chinese": _some(simplified, count, seed),
        "sentences": _within(_ENGLISH, _some(captions, count, seed + 1)),
        "chinese_sentences": _within(_CHINESE, _some(simplified, count, seed + 1)),
        "traditional": _some(traditional, count, seed),
        "paraphrases": [words for words, _ in paraphrases()[:count]],
        "chinese_paraphrases": [words for words, _ in paraphrases(CHINESE_PARAPHRASES)[:count]],
    }


def _some(names: Sequence[str], count: int, seed: int) -> list[str]:
    """Return names that are spread over a list."""
    step = max(1, len(names) // count)
    return list(names[seed % step :: step][:count])


def _within(forms: Sequence[str], names: Sequence[str]) -> list[str]:
    return [forms[number % len(forms)].format(name) for number, name in enumerate(names)]


def _joined(groups: Mapping[str, Sequence[str]]) -> list[str]:
    return [prompt for prompts in groups.values() for prompt in prompts]
