"""Continuous batching: every request has the clip that it has alone, whoever joins or leaves beside it."""

from typing import Any

import numpy as np
import pytest

from reelm.media.clip import Clip
from reelm.sampling import generate
from reelm.sampling.arguments import read_arguments
from reelm.sampling.decoding.continuous import ContinuousBatch
from reelm.sampling.planning.plan import plan

pytestmark = pytest.mark.slow

REQUESTS: list[dict[str, Any]] = [
    {"prompt": "a red seven moves", "seed": 3, "num_frames": 17},
    {"prompt": "blue", "seed": 4, "num_frames": 9, "temperature": 2.0},
    {"prompt": "two", "seed": 5, "num_frames": 25},  # past the end of a window
    {"prompt": "red", "seed": 6, "num_frames": 13, "cfg_scale": 3.0},
    {"prompt": "two", "seed": 7, "num_frames": 9, "cfg_scale": 2.0, "min_p": 0.1},
]


def request(model: Any, prompt: str, **arguments: Any) -> Any:
    return plan(model, prompt, *read_arguments({"temperature": 5.0, **arguments}))


def test_clips_are_those_of_each_alone_whoever_joins_and_leaves(tiny_sound_model):
    model = tiny_sound_model
    alone = [model.generate(**{"temperature": 5.0, **each}) for each in REQUESTS]
    batch = ContinuousBatch(model.lm)
    waiting = [(index, request(model, **each)) for index, each in enumerate(REQUESTS)]
    under_way: dict[int, Any] = {}
    slots = {}
    pieces: dict[int, list[list[Clip]]] = {index: [] for index, _ in waiting}
    while waiting or under_way:
        if waiting:  # one more joins at each latent frame
            index, planned = waiting.pop(0)
            slots[index] = batch.join(planned.drawer, planned.stream)
            under_way[index] = generate.stream(planned, slots[index])
        for index, each in list(under_way.items()):
            piece = next(each, None)
            if piece is None:
                slots[index].close()
                del under_way[index]
            else:
                pieces[index].append(piece)
    for index, expected in enumerate(alone):
        [clip] = generate.joined(iter(pieces[index]), len(pieces[index]))
        for name in ("video", "audio"):
            np.testing.assert_array_equal((clip.tokens or {})[name], expected.tokens[name])
        np.testing.assert_array_equal(clip.video, expected.video)
        # A full batch may guess fewer codes at once, so that its forward passes are others.
        own = {name: expected.info[name] for name in ("energy", "forwards", "sound_forwards")}
        assert clip.info | own == expected.info
    assert not batch.slots


def test_a_stream_does_not_wait_for_another(tiny_sound_model):
    model = tiny_sound_model
    asked = [{"prompt": "red", "seed": 3, "num_frames": 17}, {"prompt": "two", "seed": 4, "num_frames": 17}]
    alone = [model.generate(**{"temperature": 5.0, **each}) for each in asked]
    batch = ContinuousBatch(model.lm)
    planned = [request(model, **each) for each in asked]
    streams = [generate.stream(each, batch.join(each.drawer, each.stream)) for each in planned]
    *_, last = zip(*streams, strict=True)
    for [clip], expected in zip(last, alone, strict=True):
        assert [clip.info[each] for each in ("forwards", "sound_forwards")] == [
            expected.info[each] for each in ("forwards", "sound_forwards")
        ]


def test_no_latent_frame_is_drawn_that_a_clip_does_not_have(tiny_sound_model):
    model, rows = tiny_sound_model, 0

    def drew(requests: int, drawn: int) -> None:
        nonlocal rows
        rows += requests

    batch = ContinuousBatch(model.lm, drew)
    planned = [request(model, "red", seed=seed, num_frames=frames) for seed, frames in enumerate((5, 17))]
    streams = [generate.stream(each, batch.join(each.drawer, each.stream)) for each in planned]
    while sum(next(each, None) is not None for each in streams):
        pass
    assert rows == 2 + 5
