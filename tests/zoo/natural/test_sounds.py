"""Any sound: every rule finds its files, no recording is in both splits, and clips of all kinds come in turn."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made.parameters import random_params

from reelm.cli.table import table
from reelm.data import catalog
from reelm.errors import RequestError
from reelm.media.formats.wav import write_wav
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.tokenizer import AudioTokenizer, init_params
from reelm.zoo.natural import evaluation, fetch_sounds, pieces, sound_packages
from reelm.zoo.natural.sound_packages import KINDS, SPLITS, Recording, read_packages

RATE = 16_000


def sound(seconds: float, loudness: float = 0.3) -> np.ndarray:
    clock = np.arange(int(seconds * RATE)) / RATE
    return (loudness * np.sin(2 * np.pi * 440 * clock)).astype(np.float32)[:, None]


def path_of(rule: sound_packages._Rule) -> str:
    """A path that the rule's pattern matches: of alternatives the first."""
    plain = re.sub(r"\(([^|)]*)[^)]*\)", r"\1", rule.pattern).replace("\\", "")
    return f"usr/share/{plain}sound.wav"


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small package in the place of each: one sound for each rule, and a file that is none."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb makes and reads Debian packages")
    folder, trees = tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("trees")
    for package in sound_packages.PACKAGES:
        tree = trees / package
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(
            f"Package: {package}\nVersion: 1\nArchitecture: all\nMaintainer: reelm\nDescription: sounds\n"
        )
        (tree / "usr" / "share" / "doc" / package).mkdir(parents=True)
        (tree / "usr" / "share" / "doc" / package / "copyright").write_text(f"Licence of {package}.\n")
        (tree / "usr" / "share" / "picture.png").write_bytes(b"no sound")
        for rule in sound_packages._RULES:
            if rule.package == package:
                path = tree / path_of(rule)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_wav(sound(1.5), RATE, path)
        subprocess.run(["dpkg-deb", "-Znone", "--build", tree, folder / f"{package}_1_all.deb"], check=True)
    return folder


def test_licences_are_kept(fetched, tmp_path):
    shutil.copy(fetched / "asc-music_1_all.deb", tmp_path)
    fetch_sounds.keep_licences(tmp_path)
    assert (tmp_path / "licences" / "asc-music").read_text() == "Licence of asc-music.\n"


def test_every_rule_finds_its_files(fetched):
    found = Counter(
        (recording.source.partition("/")[0], split, kind)
        for split in SPLITS
        for kind in KINDS
        for recording in read_packages(fetched, split, kind)
    )
    assert found == Counter((rule.package, rule.split, rule.kind) for rule in sound_packages._RULES)


def test_the_set_holds_all_kinds_in_turn(fetched, tmp_path):
    catalog.build("any_sound", tmp_path, packages=fetched)
    train = catalog.open_clips("any_sound", "train", data_dir=tmp_path)
    clips = [train[i] for i in range(16)]
    sounds = [clip["audio"] for clip in clips if "audio" in clip]
    assert all(sound.dtype == np.float32 and sound.shape == (24_000, 1) for sound in sounds) and len(sounds) == 16
    lengths = [len(clip["video"]) / clip["fps"] for clip in clips]
    np.testing.assert_allclose(lengths, [len(sound) / RATE for sound in sounds])
    with pytest.raises(IndexError):
        train[len(train)]
    test = catalog.open_clips("any_sound", "test", data_dir=tmp_path)
    assert len(test) % 3 == 0
    with pytest.raises(RequestError, match="in test, not"):
        catalog.open_clips("any_sound", "test", num_clips=len(test) + 1, data_dir=tmp_path)


def test_it_scores_a_tokenizer_beside_opus(fetched, tmp_path, monkeypatch):
    monkeypatch.setenv("REELM_HOME", str(tmp_path))
    catalog.build("any_sound", packages=fetched)
    config = AudioTokenizerConfig(
        strides=(320,), encoder_channels=(8,), decoder_channels=(8,), bits=8, fewer_levels=(2,), loudness_bits=7
    )
    tokenizer = AudioTokenizer(config, random_params(init_params, config, noise=0.2))
    model: Any = SimpleNamespace(audio_tokenizer=tokenizer)
    scores = evaluation.reconstruction(model, clips=1)
    for kind in KINDS:
        assert scores[kind]["clips"] == 1 and set(scores[kind]) == {"clips", "opus", "levels 2", "levels 4"}
        assert [scores[kind][system]["bits"] for system in ("levels 2", "levels 4")] == [800, 1_600]
        # A net that learned nothing is further off than Opus at a tone.
        assert scores[kind]["opus"]["mel_distance"] < scores[kind]["levels 4"]["mel_distance"]
    assert -1 <= scores["speech"]["levels 4"]["stoi"] <= 1 and "stoi" not in scores["music"]["levels 4"]
    lines = table(scores).splitlines()
    assert [line.split("  ")[0] for line in lines[1:4]] == ["speech, opus", "speech, levels 2", "speech, levels 4"]
    assert lines[0].split()[:3] == ["clips", "bits", "mel_distance"]


def test_visqol_prefers_the_original():
    pytest.importorskip("visqol", reason="pip install reelm[visqol] compiles C")
    clock = np.arange(2 * 16_000) / 16_000
    sound = (0.2 * np.sin(2 * np.pi * 220 * clock) * (1 + np.sin(2 * np.pi * 3 * clock)))[:, None].astype(np.float32)
    noisy = sound + np.random.default_rng(0).normal(0, 0.05, sound.shape).astype(np.float32)
    score = lambda rebuilt: evaluation._scores(sound, rebuilt, "speech")["visqol"]  # noqa: E731
    assert 1 <= score(noisy) < score(sound) <= 5


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(RequestError, match="apt-get download asc-music"):
        next(read_packages(tmp_path, "train", "music"))
    with pytest.raises(RequestError, match="reelm data build any_sound"):
        catalog.open_clips("any_sound", "train", data_dir=tmp_path)


def recording(data: bytes, split: sound_packages.Split = "train", kind: sound_packages.Kind = "effects") -> Recording:
    return Recording(source="package/a.wav", split=split, kind=kind, data=data)


def test_long_recordings_are_cut_and_silence_is_left_out(tmp_path):
    write_wav(np.concatenate([sound(20), 0 * sound(6), sound(40)]), RATE, tmp_path / "a.wav")
    long = (tmp_path / "a.wav").read_bytes()
    assert len([*pieces.pieces(recording(long))]) <= 5
    assert all(len(piece) <= 6 * RATE and piece.dtype == np.int16 for piece in pieces.pieces(recording(long)))
    assert len([*pieces.pieces(recording(long, "test"))]) == 1
    write_wav(0 * sound(3), RATE, tmp_path / "b.wav")
    assert not [*pieces.pieces(recording((tmp_path / "b.wav").read_bytes()))]
    assert not [*pieces.pieces(recording(b"RIFF and no more"))]
