"""Score the audio tokenizer of a model on sound of any kind: held-out speakers, music and effects.

In: a model, and the built set `any_sound`. Out: a dict of plain JSON values for each kind and bit rate, with Opus as
the baseline.
"""

from functools import cache
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.evaluation.scores import opus
from reelm.evaluation.scores.intervals import means
from reelm.evaluation.scores.sound import mel_distance, stft_distance
from reelm.extras import how_to_install
from reelm.media.sound import resample
from reelm.progress import Progress, silent
from reelm.sampling.parts import ModelParts

from .pieces import SAMPLE_RATE
from .sound_packages import KINDS
from .sounds import AnySoundSet

_OPUS = 6_000  # bits a second, the lowest rate of Opus


def reconstruction(
    model: ModelParts, *, clips: int = 200, split: str = "test", progress: Progress = silent
) -> dict[str, Any]:
    """Score how an audio tokenizer rebuilds the first `clips` sounds of each kind, at each of its bit rates.

    The result has for each kind a dict of systems: "opus" and one for each number of levels. For each system:

    bits: bits a second, without headers
    mel_distance, stft_distance: means over sounds, in decades
    stoi: for speech, the mean short-time objective intelligibility (Taal et al. 2011) by pystoi
    visqol: for speech, the mean of ViSQOL's estimate of listeners' ratings, 1 to 5 (Chinen et al. 2020), if
        visqol-python is installed

    Raises:
        RequestError: the model has no audio tokenizer, the set was not built, or pystoi is not installed.
    """
    tokenizer = model.audio_tokenizer
    if tokenizer is None:
        raise RequestError(f"the model {model.name!r} has no audio tokenizer")
    levels = (*tokenizer.config.fewer_levels, tokenizer.config.levels)
    rate = float(tokenizer.config.frame_rate) * tokenizer.config.bits
    scores: dict[str, Any] = {"split": split}
    records = {kind: AnySoundSet().open_kind(split, kind) for kind in KINDS}
    counts = {kind: min(clips, len(of_kind)) for kind, of_kind in records.items()}
    done = 0
    for kind, count in counts.items():
        seen: dict[str, list[dict[str, float]]] = {}
        for i in range(count):
            sound = (records[kind][i]["audio"].astype(np.float32) / 32767)[:, None]
            rebuilt, taken = opus.at_rate(sound, SAMPLE_RATE, _OPUS)
            seen.setdefault("opus", []).append({"bits": taken} | _scores(sound, rebuilt, kind))
            ids = tokenizer.encode(sound, SAMPLE_RATE)
            for n in levels:
                made = tokenizer.decode(ids[..., :n])
                made = resample(made, tokenizer.config.sample_rate, SAMPLE_RATE)[0, : len(sound)]
                seen.setdefault(f"levels {n}", []).append({"bits": rate * n} | _scores(sound, made, kind))
            done += 1
            progress(done, sum(counts.values()))
        scores[kind] = {"clips": count} | {system: means(each) for system, each in seen.items()}
    return scores


def _scores(original: np.ndarray, rebuilt: np.ndarray, kind: str) -> dict[str, float]:
    scores = {
        "mel_distance": mel_distance(original, rebuilt, SAMPLE_RATE),
        "stft_distance": stft_distance(original, rebuilt),
    }
    if kind != "speech":
        return scores
    scores["stoi"] = _stoi(original[:, 0], rebuilt[:, 0])
    if judge := _visqol():
        pair = (sound[:, 0].astype(np.float64) for sound in (original, rebuilt))
        scores["visqol"] = judge.measure_from_arrays(*pair, SAMPLE_RATE).moslqo
    return scores


def _stoi(original: np.ndarray, rebuilt: np.ndarray) -> float:
    try:
        from pystoi import stoi
    except ImportError as error:
        hint = how_to_install("evaluate")
        raise RequestError(f"the intelligibility of speech is measured by pystoi: {hint}") from error
    return float(stoi(original, rebuilt, SAMPLE_RATE))


@cache
def _visqol() -> Any:
    """Return the object that measures ViSQOL of speech; None if it is not installed."""
    try:
        from visqol import VisqolApi  # pyright: ignore[reportMissingImports]  (not in requirements.lock)
    except ImportError:
        return None
    judge = VisqolApi()
    judge.create(mode="speech", use_lattice_model=True)
    return judge
