"""A built set through a tokenizer: the codes of its clips, shape by shape, the same from any number of processes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import grain
import numpy as np
import pytest

from reelm.data import catalog
from reelm.data.clips import CaptionedClip, ShapeRun
from reelm.data.films.buckets import Buckets
from reelm.data.films.build import build
from reelm.data.films.cutting import CuttingConfig
from reelm.data.films.worker import local
from reelm.data.tokens.config import Bucket, Stage
from reelm.data.tokens.mixture import mixture
from reelm.data.tokens.read import motions, open_tokens
from reelm.data.tokens.tokenize import tokenize
from reelm.errors import RequestError
from reelm.media.formats.animations import write_picture
from reelm.media.portrait import portrait
from reelm.media.sound import resample
from reelm.slurm import number_of_process


@pytest.mark.slow
def test_a_built_set_is_tokenized_shape_by_shape(tiny_model, tmp_path: Path):
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for number, (height, width) in enumerate([(16, 16)] * 3 + [(16, 29)] * 2):
        picture = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        write_picture(tmp_path / "pictures" / f"{number:02d}.png", picture)
    config = CuttingConfig(buckets=Buckets(resolution=16, lengths=(1,)), test_share=0.0)
    folder = build(tmp_path / "pictures", "pictures", tmp_path / "sets", config, pool=local(1)).folder
    tokenizer = tiny_model.video_tokenizer

    alone = tokenize(str(folder), tokenizer, tmp_path / "alone")
    for process in (1, 0):
        index = tokenize(str(folder), tokenizer, tmp_path / "shared", process=process, processes=2)
    assert index == alone and alone.complete and [tuple(run) for run in alone.runs] == [(3, 1, 16, 16), (2, 1, 16, 24)]
    for path in (tmp_path / "alone").iterdir():
        assert path.read_bytes() == (tmp_path / "shared" / path.name).read_bytes()

    source, clips = (
        open_tokens(tmp_path / "alone", tiny_model.video_tokenizer.hash),
        catalog.open_clips(str(folder), "train"),
    )
    for index in (0, 2, 3, 4):
        # As many as are encoded at a time there: the same program.
        codes = tiny_model.video_tokenizer.encode(np.stack([clips[index]["video"]] * 32))[0]
        np.testing.assert_array_equal(source[index]["video"], codes)


@pytest.mark.long
@pytest.mark.slow
def test_eight_devices_write_the_same_files_as_one(tiny_model, tmp_path: Path):
    tiny_model.save(tmp_path / "model")
    tokenize("moving_digits", tiny_model.video_tokenizer, tmp_path / "one", num_clips=300, num_frames=5)
    command = ["data", "tokenize", "moving_digits", "--num-clips", "300", "--num-frames", "5"]
    command += ["--video-tokenizer", str(tmp_path / "model"), "-o", str(tmp_path / "eight")]
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    subprocess.run([sys.executable, "-m", "reelm", *command], check=True, env={**os.environ, "XLA_FLAGS": flags})
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "eight").iterdir())
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "eight" / name).read_bytes()


@pytest.mark.parametrize(
    ("job", "numbers", "gpu"),
    [
        ({}, (0, 1), None),
        ({"NTASKS": "16", "STEP_NUM_TASKS": "1"}, (0, 1), None),  # a shell in an allocation
        ({"NTASKS": "16", "STEP_NUM_TASKS": "16", "STEP_TASKS_PER_NODE": "8(x2)"}, (11, 16), "3"),
        ({"NTASKS": "2", "STEP_NUM_TASKS": "2", "STEP_TASKS_PER_NODE": "1(x2)"}, (11, 2), None),
        ({"NTASKS": "16", "STEP_NUM_TASKS": "16", "STEP_TASKS_PER_NODE": "8(x2)", "GPUS": "7,6,5,4"}, (11, 16), "4"),
        ({"NTASKS": "16", "STEP_NUM_TASKS": "16", "STEP_TASKS_PER_NODE": "8(x2)", "GPUS": "5"}, (11, 16), "5"),
    ],
)
def test_processes_of_slurm_take_their_number_and_a_gpu(job, numbers, gpu):
    environment = {f"SLURM_{name}": value for name, value in {**job, "PROCID": "11", "LOCALID": "3"}.items()}
    if (seen := environment.pop("SLURM_GPUS", None)) is not None:
        environment["CUDA_VISIBLE_DEVICES"] = seen
    assert number_of_process(environment) == numbers and environment.get("CUDA_VISIBLE_DEVICES") == gpu


@pytest.mark.slow
def test_stories_have_codes_of_their_pictures_and_of_the_next_shot(tiny_sound_model, tmp_path: Path):
    video, audio = tiny_sound_model.video_tokenizer, tiny_sound_model.audio_tokenizer
    tokenize("moving_digits_stories", video, tmp_path, audio_tokenizer=audio, num_clips=3, num_frames=5)
    source = open_tokens(tmp_path)
    clips: Any = catalog.open_clips("moving_digits_stories", "train", num_frames=5)
    for index in range(3):
        sample: Any = source[index]
        clip, shot = clips[index], clips[index]["next_shot"]
        portraits = np.stack([portrait(picture, 32, 32) for picture in clip["references"]])
        pictures = np.concatenate([portraits, np.zeros((32, 32, 32, 3), np.uint8)])[:32, None]
        np.testing.assert_array_equal(sample["references"], video.encode(pictures)[: len(clip["references"]), 0])
        assert sample["reference_captions"] == clip["reference_captions"]
        np.testing.assert_array_equal(sample["next_video"], video.encode(np.stack([shot["video"]] * 32))[0])
        codes = audio.encode(np.stack([resampled(shot["audio"], audio)] * 32), audio.config.sample_rate)[0]
        np.testing.assert_array_equal(sample["next_sound"], codes[:25])
        assert (sample["next_captions"], sample["next_reference_captions"]) == (
            shot["captions"],
            shot["reference_captions"],
        )
    plain = tokenize_plain(video, tmp_path / "plain")
    for task in ("reference", "shots"):
        stages = [Stage(buckets=(Bucket(frames=1, batch_size=1, task=task),))]
        mixture(stages, [plain, source], lambda *_: Whole(), seed=0)  # of the set that has stories
        with pytest.raises(RequestError, match="moving_digits_stories"):
            mixture(stages, [plain], lambda *_: Whole(), seed=0)


class Whole(grain.transforms.RandomMap):
    def random_map(self, element: Any, rng: np.random.Generator) -> Any:
        return element


def resampled(sound: np.ndarray, audio) -> np.ndarray:
    return resample(sound[None], 16_000, audio.config.rate_beside(8.0))[0]


def tokenize_plain(video, folder: Path):
    tokenize("moving_digits", video, folder, num_clips=1, num_frames=1)
    return open_tokens(folder)


class Cameras:
    """Three clips, of which the first stands still, by cameras that circle to the right, each faster."""

    description = {"dataset": "cameras"}
    shapes = (ShapeRun(3, 5, 16, 24),)

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> CaptionedClip:
        video = np.random.default_rng(index).integers(0, 256, (5, 16, 24, 3)).astype(np.uint8)
        video = video if index else video[:1].repeat(5, axis=0)
        camera = np.linspace(0, (10.0 * index, 0, 0), 5).astype(np.float32)
        return {"video": video, "fps": 8.0, "captions": ("a view",), "camera": camera}


def test_a_camera_is_kept_as_the_clips_say_it(tiny_model, tmp_path: Path):
    clips: Any = Cameras()
    assert tokenize(clips, tiny_model.video_tokenizer, tmp_path).controls == ("camera",)
    for number in range(3):
        sample: Any = open_tokens(tmp_path)[number]
        np.testing.assert_array_equal(sample["camera"], clips[number]["camera"])


def moving(clips: Any, model, folder: Path, controls: list[str]):
    tokenize(clips, model.video_tokenizer, folder, controls=controls)
    return open_tokens(folder)


def test_motion_is_compared_with_that_of_all_sets(tiny_model, tmp_path: Path):
    sets = [
        moving(Cameras(), tiny_model, tmp_path / name, controls) for name, controls in (("a", ["motion"]), ("b", []))
    ]
    found = motions([*sets, sets[0]])
    assert len(found) == 6 and (np.diff(found) >= 0).all()
    assert found[1] < 0.001 and found[2] > 0.1  # one of each three stands still
