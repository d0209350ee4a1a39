"""Describe a model for clients: what it can do, which words it reads, what its training saw."""

from typing import Any

from reelm.sampling.model import Model

# First and last letter of each language's script. A model reads a language if one of its words is in the script.
_SCRIPTS = {"en": ("a", "z"), "zh": ("\u4e00", "\u9fff")}


def about(name: str, model: Model) -> dict[str, Any]:
    """Return the entry of a model in `GET /v1/models`, as JSON values.

    `captions` are whole prompts that the model knows; each may be followed by one of `endings`. `words` are the words
    of its prompts. `trained_frames` is None, and `words` are empty, if the training was not recorded.

    `tracks` is the number of subjects that can follow one, `control_kinds` what it can follow of a control clip,
    `upscale` the scales by which it enlarges clips. They are 0, empty or false for a model that was not trained with
    them. `track_speed`, `track_area` and `camera_speed` are those of the training (`lm.training_domain`), None where it
    did not record them.
    """
    lm, defaults, retrieval = model.language_model(), model.defaults, model.prompt_retrieval
    configs = [each.config for each in model.language_models]
    captions, names = ([], ()) if retrieval is None else (list(retrieval.captions), retrieval.names)
    words = list(lm.training_domain.words)
    tracked, filmed = _saw(model, "tracks"), _saw(model, "camera")
    return {
        "id": name,
        "object": "model",
        "owned_by": "reelm",
        "sound": model.soundtrack is not None,
        "tasks": list(dict.fromkeys(task for each in model.language_models for task in each.tasks)),
        "keys": list(lm.config.keys),
        "tracks": max(each.tracks for each in configs),
        "track_speed": tracked and tracked.track_speed,
        "track_area": tracked and tracked.track_area,
        "camera": any(each.camera for each in configs),
        "camera_speed": filmed and filmed.camera_speed,
        "motion": any(each.motion for each in configs),
        "control_kinds": list(dict.fromkeys(kind for each in configs for kind in each.structures)),
        "references": any(each.config.references and "reference" in each.tasks for each in model.language_models),
        "upscale": list(model.scales),
        "words": words,
        "captions": captions,
        "endings": [] if retrieval is None else sorted(set(retrieval.modifiers.values()) - {""}),
        "languages": _languages([*words, *captions, *names]),
        "trained_frames": lm.training_domain.frames,
        **{each: getattr(defaults, each) for each in ("height", "width", "num_frames", "fps", "cfg_scale")},
    }


def _saw(model: Model, source: str) -> Any:
    """Return the training domain of the first language model that follows a source of control; None if none does."""
    return next((each.training_domain for each in model.language_models if source in each.config.channels), None)


def _languages(words: list[str]) -> list[str]:
    """Return the languages in whose scripts the words are written."""
    letters = {letter for word in words for letter in word.lower()}
    return [name for name, (first, last) in _SCRIPTS.items() if any(first <= letter <= last for letter in letters)]
