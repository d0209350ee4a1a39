"""Lanes draw beside each other, and every clip stays the clip of its seed."""

from functools import partial
from threading import Barrier

import numpy as np
import pytest

from reelm.media.clip import Clip
from reelm.sampling.arguments import read_arguments
from reelm.sampling.generate import joined, stream
from reelm.sampling.planning.plan import plan
from reelm.serve.device_workers import DeviceWorker, device_workers

pytestmark = pytest.mark.slow


def test_clips_of_device_workers_that_draw_at_once_are_those_of_generate(tiny_sound_model):
    asked = {"num_frames": 13, "temperature": 5.0}
    workers = device_workers(lambda requests, rows: None)
    beside = Barrier(len(workers))

    def clips(worker: DeviceWorker, seeds: range) -> list[Clip]:
        beside.wait(60)
        planned = [plan(tiny_sound_model, "a red seven moves", *read_arguments(asked | {"seed": s})) for s in seeds]
        slots = [worker.batch_of(each).join(each.drawer, each.stream) for each in planned]
        streams = [stream(*each) for each in zip(planned, slots, strict=True)]
        pieces = zip(*([next(one) for one in streams] for _ in range(4)), strict=True)
        return [joined(iter(each), 4)[0] for each in pieces]

    seeds = [range(4 * i, 4 * i + 4) for i in range(len(workers))]
    made = [worker.do(partial(clips, worker, each)) for worker, each in zip(workers, seeds, strict=True)]
    for each, futures in zip(seeds, made, strict=True):
        for seed, clip in zip(each, futures.result(), strict=True):
            alone = tiny_sound_model.generate("a red seven moves", **asked, seed=seed)
            for name in ("video", "audio"):
                np.testing.assert_array_equal((clip.tokens or {})[name], alone.tokens[name])
    for worker in workers:
        worker.end()
