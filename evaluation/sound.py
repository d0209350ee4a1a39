"""Score rebuilt sound of moving digits against the originals.

Comes in: an audio tokenizer. Goes out: a dict of plain JSON values. The tracks are those of `moving_digits_sound`'s
test clips, whose speakers no training hears; the judge of spoken digits hears sound alone. Knows nothing of how
tracks are made.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reelm.data.moving_digits import soundtracks
from reelm.data.moving_digits.scenes import FPS, Scene
from reelm.data.moving_digits.soundtracks import SAMPLE_RATE, bounces
from reelm.evaluation.judges.bounces import Bounces
from reelm.evaluation.judges.spoken_digits import read
from reelm.evaluation.judges.ticks import matched, ticks
from reelm.evaluation.scores.intervals import wilson_interval
from reelm.evaluation.scores.sound import is_silent, mel_distance, si_sdr
from reelm.progress import Progress, silent
from reelm.tokenizer.audio.tokenizer import AudioTokenizer

_SI_SDR_CAP = 100.0  # dB: JSON has no infinity
TICK_TOLERANCE = 1 / FPS  # seconds: a tick may be one video frame away from its bounce


def reconstruction(
    tokenizer: AudioTokenizer,
    *,
    clips: int = 200,
    batch: int = 8,
    num_frames: int = 17,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score how a tokenizer rebuilds the tracks of the first `clips` test clips.

    clips, frames: how many clips of how many frames
    si_sdr, mel_distance: means over tracks that are not silent, in dB and in decades
    spoken: how many these are
    words, words_interval, words_originals: share of these clips whose names the judge hears, all and in their order,
        its 95% Wilson bounds, and that share of the originals
    bounces, ticks, false: see `heard_ticks`, and ticks_originals, false_originals: the same of the originals
    silence: share of silent tracks that are rebuilt silent; None without any
    bit_balance: mean over bits of twice the share of the rarer value: 1 when each is as often 0 as 1
    """
    originals, rebuilt, scenes, kept_silent, ids = [], [], [], [], []
    for start in range(0, clips, batch):
        here = [soundtracks.example("test", i, num_frames) for i in range(start, min(start + batch, clips))]
        tracks = np.stack([clip["audio"] for clip in here])
        # Batches of one shape, as everywhere: the last is filled up with silence.
        tracks = np.pad(tracks, ((0, batch - len(here)), (0, 0), (0, 0)))
        ids.append(tokenizer.encode(tracks, SAMPLE_RATE)[: len(here)])
        for clip, made in zip(here, tokenizer.reconstruct(tracks, SAMPLE_RATE), strict=False):
            if clip["audio"].any():
                originals.append(clip["audio"])
                rebuilt.append(made)
                scenes.append(clip["scene"])
            else:
                kept_silent.append(is_silent(made, SAMPLE_RATE))
        progress(start + len(here), clips)
    pairs = list(zip(originals, rebuilt, strict=True))
    truth = [true_bounces(scene, num_frames) for scene in scenes]
    words, n = heard_words(rebuilt, scenes), len(scenes)
    ticked, ticked_originals = heard_ticks(rebuilt, truth), heard_ticks(originals, truth)
    bits = np.concatenate(ids)[..., None] >> np.arange(tokenizer.config.bits) & 1
    return {
        "clips": clips,
        "frames": num_frames,
        "si_sdr": float(np.mean([np.clip(si_sdr(*pair), -_SI_SDR_CAP, _SI_SDR_CAP) for pair in pairs])),
        "mel_distance": float(np.mean([mel_distance(*pair, SAMPLE_RATE) for pair in pairs])),
        "spoken": n,
        "words": words / n,
        "words_interval": list(wilson_interval(words, n)),
        "words_originals": heard_words(originals, scenes) / n,
        "bounces": ticked["bounces"],
        "ticks": ticked["heard"],
        "ticks_originals": ticked_originals["heard"],
        "false": ticked["false"],
        "false_originals": ticked_originals["false"],
        "silence": float(np.mean(kept_silent)) if kept_silent else None,
        "bit_balance": float(np.mean(1 - np.abs(1 - 2 * bits.mean(axis=(0, 1))))),
    }


def heard_words(tracks: Sequence[np.ndarray], scenes: Sequence[Scene]) -> int:
    """Count the tracks `[S, C]` in which the judge hears the names of the scene's digits and nothing else."""
    said = [tuple(mover.digit for mover in scene.movers) for scene in scenes]
    return sum(read(track, SAMPLE_RATE) == names for track, names in zip(tracks, said, strict=True))


def heard_ticks(tracks: Sequence[np.ndarray], wanted: Sequence[Bounces]) -> dict[str, float]:
    """Count the bounces that have a tick within one video frame, in tracks `[S, C]` at SAMPLE_RATE.

    bounces: how many there are; heard: the share with a tick; false: ticks without a bounce, a clip. One tick where the
    clip ends too early to tell a bounce is neither.
    """
    heard = count = false = 0
    for track, there in zip(tracks, wanted, strict=True):
        found = ticks(track, SAMPLE_RATE)
        right, extra = matched(found, there.frames / FPS, TICK_TOLERANCE)
        perhaps = matched(found, np.concatenate([there.frames, there.unsure]) / FPS, TICK_TOLERANCE)[0]
        heard, count = heard + right, count + len(there.frames)
        false += extra - int(perhaps > right)
    return {"bounces": count, "heard": heard / max(count, 1), "false": false / len(tracks)}


def true_bounces(scene: Scene, num_frames: int) -> Bounces:
    return Bounces(frames=np.array(bounces(scene, num_frames), int), unsure=np.zeros(0, int))
