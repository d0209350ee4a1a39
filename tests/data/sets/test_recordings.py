"""Recordings of games: what an engine writes is what training reads, with its keys."""

import numpy as np
import pytest

from reelm.cli.main import main
from reelm.data import catalog
from reelm.data.recordings.build import import_folder
from reelm.data.recordings.recording import Recording
from reelm.data.tokens.read import open_tokens
from reelm.data.tokens.tokenize import tokenize
from reelm.errors import RequestError


def recording(seed: int, length: int = 9, **changes) -> Recording:
    rng = np.random.default_rng(seed)
    fields = {
        "frames": rng.integers(0, 256, (length, 16, 24, 3), np.uint8),
        "keys": rng.random((length, 2)) < 0.3,
        "key_names": ("left", "fire"),
        "fps": 12.0,
    }
    return Recording(**fields | changes)


def test_a_folder_of_recordings_is_a_set_with_its_keys(tmp_path, random_tokenizer):
    folder = tmp_path / "game"
    folder.mkdir()
    made = [recording(seed) for seed in range(3)]
    for seed, each in enumerate(made):
        each.save(folder / f"{seed}.npz")
    built = import_folder(folder, "game", tmp_path / "sets")
    assert "game" in catalog.names(tmp_path / "sets") and "left fire" in catalog.describe("game", tmp_path / "sets")
    found = {split: catalog.open_clips("game", split, data_dir=tmp_path / "sets") for split in ("train", "test")}
    assert {split: len(clips) for split, clips in found.items()} == {"train": 2, "test": 1}
    for number, one in enumerate(made[1:]):
        clip = found["train"][number]
        np.testing.assert_array_equal(clip["video"], one.frames)
        np.testing.assert_array_equal(clip.get("keys", ()), one.keys)
        assert clip["fps"] == 12.0

    from reelm.tokenizer.video.config import VideoTokenizerConfig

    small = {"bits": 6, "patch": (2, 8, 8), "encoder_channels": (8,), "decoder_channels": (8,)}
    tokenizer = random_tokenizer(VideoTokenizerConfig(**small, encoder_blocks=1, decoder_blocks=1))
    tokenize(str(built), tokenizer, tmp_path / "tokens")
    tokens = open_tokens(tmp_path / "tokens")
    assert tokens.index.keys == (("left", "fire"), int(max(one.keys[1:].sum(axis=1).max() for one in made)))
    keys = made[1].keys
    # A latent frame of two frames has the keys that were held in any of them.
    expected = np.concatenate([keys[:1], keys[1::2] | keys[2::2]])
    np.testing.assert_array_equal(tokens[0].get("keys", ()), expected)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"frames": np.zeros((9, 16, 24), np.uint8)}, "must be uint8 .T, H, W, 3."),
        ({"keys": np.zeros((8, 2), bool)}, r"keys are bool\[8, 2\]; they must be bool\[9, 2\]"),
        ({"key_names": ("left", "left")}, "one or more different names"),
        ({"fps": 0.0}, "fps is 0"),
    ],
)
def test_arrays_that_do_not_go_together_are_refused(changes, says):
    with pytest.raises(RequestError, match=says):
        recording(0, **changes)


def test_a_small_file_that_unpacks_to_a_large_recording_is_refused(tmp_path):
    frames = np.zeros((400, 256, 256, 3), np.uint8)
    np.savez_compressed(tmp_path / "0.npz", frames=frames, keys=np.zeros((400, 1), bool), key_names=["a"], fps=8.0)
    for read in (Recording.open, Recording.length_of):
        with pytest.raises(RequestError, match="unpacks to more than 256 times its size"):
            read(tmp_path / "0.npz")


def test_recordings_that_are_not_alike_are_refused(tmp_path):
    recording(0).save(tmp_path / "0.npz")
    recording(1, fps=10.0).save(tmp_path / "1.npz")
    with pytest.raises(RequestError, match="a recording has a rate of 1"):
        import_folder(tmp_path, "mixed", tmp_path / "sets")
    (tmp_path / "2.npz").write_bytes(b"no archive")
    with pytest.raises(RequestError, match="2.npz is not a recording"):
        import_folder(tmp_path, "damaged", tmp_path / "sets")


def test_the_command_builds_what_is_recorded_and_refuses_what_is_not(tmp_path, capsys):
    folder = tmp_path / "game"
    folder.mkdir()
    for seed in range(2):
        recording(seed).save(folder / f"{seed}.npz")
    assert main(["data", "build", str(folder), "--data-dir", str(tmp_path / "sets")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "sets" / "game")
    assert main(["data", "build", "moving_digits", "--episodes", "3"]) == 2
    assert "is not played" in capsys.readouterr().err
