"""Tests of the video tokenizer on clips of any length: equality of chunks and whole, and bounded memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.media.film import Film, open_film, save_film
from reelm.media.timing import TimedFrame, evenly, from_zero, onward
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.stream import decode_stream, encode_stream, reconstruct_stream
from reelm.tokenizer.video.tokenizer import VideoTokenizer

CONFIG = VideoTokenizerConfig(
    bits=10,
    patch=(4, 8, 8),
    encoder_channels=(16,),
    decoder_channels=(16,),
    encoder_blocks=1,
    decoder_blocks=1,
    decoder_kernel=(2, 3, 3),
    decoder_finish=3,
)


@pytest.fixture(scope="module")
def tokenizer(random_tokenizer) -> VideoTokenizer:
    return random_tokenizer(CONFIG)


def noise(frames: int, height: int = 16, width: int = 8) -> np.ndarray:
    return np.random.default_rng(frames).integers(0, 256, size=(frames, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(0, 2, 1), (2, 1), (1, 1, 2, 1, 1)])
def test_a_chunk_of_no_codes_is_refused(tokenizer, shape):
    state = tokenizer.init_decode_state(height=16, width=8)
    with pytest.raises(RequestError, match="codes have the shape"):
        tokenizer.decode_chunk(np.zeros(shape, np.int32), state)


@pytest.mark.slow
@pytest.mark.parametrize("frames", [1, 17, 50])  # one, a chunk, chunks of which the last is filled up
def test_codes_are_those_of_the_whole(tokenizer, frames):
    video = noise(frames)
    filled = np.pad(video, ((0, -(frames - 1) % 4), (0, 0), (0, 0), (0, 0)), mode="edge")
    ids = np.stack([*encode_stream(tokenizer, video)])
    np.testing.assert_array_equal(ids, tokenizer.encode(filled)[0])
    decoded = np.stack([*decode_stream(tokenizer, ids)])
    assert np.abs(decoded.astype(int) - tokenizer.decode(ids)[0]).max() <= 1


@pytest.mark.parametrize("shape", [(1, 8, 8), (21, 17, 30)])
def test_rebuilt_frames_come_with_their_originals(tokenizer, shape):
    video = noise(*shape)
    originals, rebuilt = zip(*reconstruct_stream(tokenizer, video), strict=True)
    np.testing.assert_array_equal(np.stack(originals), video)
    assert np.abs(np.stack(rebuilt).astype(int) - tokenizer.reconstruct(video)).max() <= 1


def test_a_stream_in_tiles_is_the_whole_in_tiles(random_tokenizer):
    stages = {"encoder_channels": (6, 8), "decoder_channels": (6, 8), "encoder_blocks": 1, "decoder_blocks": 1}
    tokenizer = random_tokenizer(VideoTokenizerConfig(bits=10, patch=(4, 4, 4), strides=((1, 2),), **stages))
    video = noise(20, 28, 44)  # two chunks, the last filled up, in two rows of three tiles
    tiles = {"tile": 24, "overlap": 16}
    rebuilt = np.stack([frame for _, frame in reconstruct_stream(tokenizer, video, **tiles)])
    np.testing.assert_array_equal(rebuilt, tokenizer.reconstruct(video, **tiles))
    assert (rebuilt != tokenizer.reconstruct(video)).any()


def test_no_more_than_a_chunk_of_frames_is_read_ahead(tokenizer):
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 1
            yield noise(1)[0]

    pairs = reconstruct_stream(tokenizer, endless())
    for given_out in range(1, 60):
        next(pairs)
        assert read - given_out <= 17


def test_a_film_is_the_clip_that_the_file_holds(tmp_path):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, size=(8000, 2)).astype(np.float32)
    Clip(noise(12, 17, 31), 12, sound, 8000, info={"seed": 3}).save(tmp_path / "a.mp4", scale=2)
    clip, film = Clip.open(tmp_path / "a.mp4"), open_film(tmp_path / "a.mp4")
    assert (film.fps, film.sample_rate) == (clip.fps, clip.sample_rate) and film.sound is not None
    frames = [*film.frames]
    np.testing.assert_array_equal(np.stack([frame.pixels for frame in frames]), clip.video)
    assert [frame.start for frame in frames] == pytest.approx(np.arange(12) / 12)
    assert clip.audio is not None
    heard = np.concatenate([*film.sound])[: len(clip.audio)]
    np.testing.assert_array_equal(heard, clip.audio[: len(heard)])


@pytest.mark.parametrize("suffix", [".mp4", ".webp"])
def test_a_film_is_saved_as_a_clip_is(tmp_path, suffix):
    video = noise(9, 17, 31)
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, size=(9000, 1)).astype(np.float32)
    Clip(video, 9, sound, 9000).save(tmp_path / f"clip{suffix}")
    pieces = iter(np.array_split(sound, [1, 1, 5000]))
    save_film(tmp_path / f"film{suffix}", Film(evenly(video, 9), 9, pieces, 9000))
    a, b = (Clip.open(tmp_path / f"{name}{suffix}") for name in ("clip", "film"))
    np.testing.assert_array_equal(a.video, b.video)
    assert (a.audio is None) == (b.audio is None) == (suffix == ".webp")
    if suffix == ".mp4":
        np.testing.assert_array_equal(a.audio, b.audio)


def test_times_that_go_back_continue_and_gaps_are_kept():
    times = [(7.0, 7.1), (7.1, 7.2), (9.0, 9.1), (0.5, 0.6), (0.6, 0.9)]
    pixels = noise(1)[0]
    shown = [*from_zero(onward(TimedFrame(*time, pixels) for time in times))]
    assert [frame.start for frame in shown] == pytest.approx([0, 0.1, 2.0, 2.1, 2.2])
    assert [frame.end for frame in shown] == pytest.approx([0.1, 2.0, 2.1, 2.2, 2.5])


def test_a_track_without_a_sample_is_no_sound(tmp_path):
    save_film(tmp_path / "film.webp", Film(evenly(noise(3), 8), 8, iter(()), 8000))
    np.testing.assert_array_equal(Clip.open(tmp_path / "film.webp").video, noise(3))


@pytest.mark.long
@pytest.mark.slow
def test_memory_does_not_grow_with_the_film_nor_with_the_clip(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "tiny")
    # If the enlarged film were held, its last 68 frames would take 105 MB; a tenth of the peak is under 60.
    smaller = ["--frames", "500", "--seconds", "10", "--enlarged", "188", "--height", "270"]
    command = [sys.executable, "benchmarks/memory.py", *smaller]
    ended = subprocess.run(
        [*command, "--model", tmp_path / "tiny"], capture_output=True, text=True, cwd=Path(__file__).parents[3]
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
