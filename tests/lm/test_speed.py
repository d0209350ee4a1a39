"""How fast tracks and cameras move, what a training records of it, and what is said of faster ones."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reelm.data.moving_digits import paths
from reelm.lm.control.camera import camera_path, read_camera
from reelm.lm.control.speed import beyond, camera_speed, track_speeds
from reelm.lm.control.tracks import points_of
from reelm.lm.training_domain import TrainingDomain
from reelm.sampling.folder import shipped
from reelm.sampling.folder.manifest import read_manifest
from reelm.train.lm.captions import training_domain_of

SLOW = [(0.0, (0.25, 0.5)), (2.0, (0.75, 0.5))]
FAST = [(0.0, (0.25, 0.3)), (1.0, (0.5, 0.75)), (2.0, (0.75, 0.3))]
DOMAIN = TrainingDomain(track_speed=3 / 64, track_area=(0.2, 0.2, 0.8, 0.8), camera_speed=(2.0, 0.05, 0.02))


def said(*tracks: Any, camera: Any = None, domain: TrainingDomain = DOMAIN, frames: int = 17) -> list[str]:
    points = points_of(tracks, frames, 8.0) if tracks else None
    path = None if camera is None else camera_path(camera, frames, 8.0)
    return beyond(domain, points, path, stride=4, height=64, width=64)


def test_speed_is_that_of_the_fastest_latent_frame():
    points = points_of([SLOW, FAST, None], 17, 8.0)
    np.testing.assert_allclose(64 * track_speeds(points, 4, 1.0), [2.0, 8 * np.hypot(0.25, 0.45), 0.0])
    wide = points_of([SLOW], 17, 8.0)
    np.testing.assert_allclose(track_speeds(wide, 4, 2.0), 2 * track_speeds(wide, 4, 1.0))
    assert list(track_speeds(points[:, :1], 4, 1.0)) == [0, 0, 0]  # a picture
    jumps = points_of([[(0.0, (0.25, 0.5)), (0.125, (0.75, 0.5)), (2.0, (0.75, 0.5))]], 17, 8.0)
    np.testing.assert_allclose(64 * track_speeds(jumps, 4, 1.0), 8.0)


def test_what_moves_faster_than_the_training_or_leaves_its_area_is_said():
    assert not said(SLOW) and not said(None) and not said()
    assert said(None, FAST) == ["track 2 moves 4.1 pixels a frame; the fastest in training was 3"]
    assert not said(FAST, domain=TrainingDomain())  # nobody knows what it saw
    near = [(0.0, (0.1, 0.5)), (2.0, (0.4, 0.5))]
    assert said(near) == [
        "track 1 comes near the edge: in training all were within 0.2 to 0.8 across and 0.2 to 0.8 down"
    ]
    late = [(0.0, (0.5, 0.5)), (4.0, (0.5, 0.5)), (5.0, (1.0, 0.5))]
    assert not said(late)  # the clip ends before


def test_a_camera_that_moves_faster_than_the_training_is_said():
    assert not said(camera="circle left") and not said(camera="zoom in")
    assert said(camera=read_camera([(0.0, {}), (1.0, {"orbit": 90, "rise": 0.1})])) == [
        "the camera circles 11.2 degrees a frame; the fastest in training was 2"
    ]
    assert said(camera=read_camera([(0.0, {}), (1.0, {"zoom": 4, "rise": 1})])) == [
        "the camera zooms 18.9 percent a frame; the fastest in training was 3.5",
        "the camera rises 12.5 percent of its distance a frame; the fastest in training was 2",
    ]


def test_a_training_records_how_fast_and_where_its_clips_move():
    tracks = points_of([SLOW, FAST], 17, 8.0).astype(np.float32)
    tracks[1, 9:] = np.nan  # hidden from there on
    moving = {"video": np.zeros((5, 8, 8), np.int32), "captions": ("red",), "tracks": tracks}
    path = camera_path("circle right", 17, 8.0).astype(np.float32)
    filmed = {"video": np.zeros((5, 8, 8), np.int32), "captions": ("red",), "camera": path}
    text: Any = SimpleNamespace(words=str.split)
    domain = training_domain_of([_source(moving), _source(filmed)], text)
    assert domain.words == ("red",) and domain.camera_speed == pytest.approx(camera_speed(path, 4))
    assert domain.track_speed == pytest.approx(np.hypot(0.25, 0.45) / 8)
    assert domain.track_area == pytest.approx((0.25, 0.3, 0.75, 0.75))
    silent = training_domain_of([_source({"video": moving["video"], "captions": ("red",)})], text)
    assert (silent.track_speed, silent.track_area, silent.camera_speed) == (None, None, None)


def test_two_trainings_have_the_faster_speed_and_the_larger_area():
    other = TrainingDomain(track_speed=0.01, track_area=(0.1, 0.3, 0.5, 0.9), camera_speed=(1.0, 0.1, 0.0))
    both = DOMAIN.with_all(other)
    assert (both.track_speed, both.track_area) == (3 / 64, (0.1, 0.2, 0.8, 0.9))
    assert both.camera_speed == (2.0, 0.1, 0.02) and DOMAIN.with_all(TrainingDomain()).track_area is None


def test_the_shipped_model_records_the_paths_of_its_clips():
    (domain,) = (
        part.training_domain
        for part in read_manifest(shipped.folder("demo")).parts.language_models.values()
        if part.config.tracks
    )
    for index in range(100):
        clip = paths.example("train", index, 33)
        assert not beyond(domain, clip["tracks"], None, stride=4, height=64, width=64)
    assert not said([(0.0, (0.25, 0.5)), (2.0, (0.75, 0.5))], domain=domain)  # the example of README
    assert said(FAST, domain=domain) == ["track 1 moves 4.1 pixels a frame; the fastest in training was 3.3"]


def _source(sample: dict[str, Any]) -> Any:
    run = SimpleNamespace(height=64, width=64, frames=17)

    class Source:
        index = SimpleNamespace(runs=(run,), fps=8.0, time_stride=4)

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> dict[str, Any]:
            return sample

    return Source()
