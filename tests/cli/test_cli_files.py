"""Commands that read and write files, with a tiny model: the same results as in Python, whole files or none."""

import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reelm
from reelm.cli.commands import generate
from reelm.cli.commands.tokenizer import model_behind
from reelm.cli.main import main
from reelm.errors import RequestError
from reelm.media.formats.animations import write_picture
from reelm.sampling.conditions.sources import Sources
from reelm.sampling.options import Options

PROMPT = "a red seven moves"


@pytest.fixture(scope="module")
def model_folder(tiny_model, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    tiny_model.save(folder)
    return str(folder)


@pytest.fixture
def clip_file(tmp_path) -> Path:
    """A clip whose size and length fit no code: 6 frames of 18x20."""
    path = tmp_path / "in.mp4"
    video = np.random.default_rng(0).integers(0, 255, (6, 18, 20, 3), np.uint8)
    reelm.Clip(video=video, fps=12.0).save(path)
    return path


def test_generate_writes_the_clip_that_python_makes(tiny_model, model_folder, tmp_path, capsys):
    file = tmp_path / "seven.webp"  # lossless
    assert main(["generate", PROMPT, "-o", str(file), "--model", model_folder, "--seed", "3", "--top-k", "2"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{file}\n"
    assert "2 of 2" in err
    clip = tiny_model.generate(PROMPT, seed=3, top_k=2)
    opened = reelm.Clip.open(file)
    np.testing.assert_array_equal(opened.video, clip.video)
    assert (opened.info["prompt"], opened.info["seed"], opened.info["top_k"]) == (PROMPT, 3, 2)


@pytest.mark.slow
def test_several_clips_are_numbered_prompt_by_prompt(model_folder, tmp_path, capsys):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a red seven\x0bmoves\n\na blue two\u2028moves\x85\r\n")
    line = ["generate", "--prompts", str(prompts), "-o", str(tmp_path / "x.webp"), "--num-samples", "2"]
    assert main([*line, "--num-frames", "2", "--model", model_folder]) == 0
    files = [tmp_path / f"x-{number}.webp" for number in range(4)]
    assert capsys.readouterr().out.split() == [str(file) for file in files]
    infos = [reelm.Clip.open(file).info for file in files]
    assert [(info["prompt"].split()[1], info["seed"]) for info in infos] == [
        *[("red", 0), ("red", 1)],
        *[("blue", 0), ("blue", 1)],
    ]


@pytest.mark.slow
def test_a_batch_goes_on_with_what_is_missing(model_folder, tmp_path, capsys):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a red seven moves\na blue two moves\n")
    line = ["generate", "--prompts", str(prompts), "-o", str(tmp_path / "x.webp"), "--model", model_folder, "--resume"]
    line += ["--num-frames", "2", "--cfg-scale", "2", "--overlap", "0.6"]
    assert main(line) == 0
    first, second = (tmp_path / f"x-{number}.webp" for number in range(2))
    before = first.read_bytes()
    second.write_bytes(before[:100])  # a write cut short elsewhere
    capsys.readouterr()
    assert main(line) == 0
    assert capsys.readouterr().out == f"{second}\n"
    assert reelm.Clip.open(second).info["prompt"] == "a blue two moves" and first.read_bytes() == before
    assert main([*line, "--temperature", "0.5"]) == 0  # other settings are another clip
    assert capsys.readouterr().out.split() == [str(first), str(second)]


def test_a_clip_is_made_anew_when_a_given_file_holds_something_else(tmp_path, monkeypatch):
    picture, other, file = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "x.webp"
    for path, grey in ((picture, 0), (other, 200)):
        write_picture(path, np.full((8, 8, 3), grey, np.uint8))

    def is_made(**files: Path) -> bool:
        return generate._is_made(generate.Job("x", 1, file), generate._contents(files), Options(seed=1))

    for name in ("image", "last_image", "video", "mask", "audio"):
        files = {name: picture}
        info = {"prompt": "x", "seed": 1, **vars(Options(seed=1)), **Sources(**files).summary()}
        reelm.Clip(video=np.zeros((1, 8, 8, 3), np.uint8), fps=8.0, info=info).save(file)
        assert is_made(**files) and not is_made() and not is_made(**{name: other})
        before = picture.read_bytes()
        picture.write_bytes(other.read_bytes())  # as long as before, perhaps in the same second
        assert not is_made(**files)
        picture.write_bytes(before)
        assert is_made(**files)


@pytest.mark.slow
def test_a_grid_is_one_file_of_all(tiny_model, model_folder, tmp_path):
    file = tmp_path / "grid.webp"
    line = ["generate", PROMPT, "-o", str(file), "--model", model_folder, "--num-frames", "2", "--num-samples", "3"]
    assert main([*line, "--grid"]) == 0
    opened = reelm.Clip.open(file)
    assert opened.video.shape == (2, 32, 48, 3) and opened.info["seeds"] == [0, 1, 2]
    third = tiny_model.generate(PROMPT, num_frames=2, seed=2).video
    np.testing.assert_array_equal(opened.video[:, 16:, :24], third)
    assert (opened.video[:, 16:, 24:] == 0).all()


@pytest.mark.slow
def test_pictures_and_clips_are_conditions(tiny_model, model_folder, tmp_path):
    start, file = tmp_path / "start.webp", tmp_path / "on.webp"
    tiny_model.generate(PROMPT, num_frames=5).save(start)
    line = ["generate", "-o", str(file), "--model", model_folder, "--video", str(start), "--num-frames", "9"]
    assert main(line) == 0
    opened = reelm.Clip.open(file)
    assert len(opened.video) == 9 and opened.info["video"] == str(start) and opened.info["prompt"] == ""


def test_what_only_the_model_can_refuse_leaves_no_file(model_folder, tmp_path, capsys):
    for flags in (["--overlap", "9", "--num-frames", "99"], ["--height", "17"], ["--seed", "-1"]):
        assert main(["generate", PROMPT, "-o", str(tmp_path / "x.mp4"), "--model", model_folder, *flags]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("info", "behind"),
    [({"model": "emoji"}, "emoji"), ({"model": "tiny"}, "natural"), ({"model": ["emoji"]}, "natural"), ({}, "natural")],
)
def test_a_clip_is_rebuilt_by_the_shipped_model_that_made_it(tmp_path, info, behind):
    reelm.Clip(np.zeros((2, 16, 16, 3), np.uint8), fps=8, info=info).save(tmp_path / "made.mp4")
    assert model_behind(tmp_path / "made.mp4") == behind


def test_reconstruct_keeps_size_length_and_rate(model_folder, clip_file, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    assert main(["reconstruct", str(clip_file), "-o", str(out), "--model", model_folder]) == 0
    assert re.fullmatch(r"PSNR \d+\.\d+ dB  SSIM -?\d\.\d+\n", capsys.readouterr().out)
    clip = reelm.Clip.open(out)
    assert clip.video.shape == (6, 18, 20, 3) and clip.fps == 12


def test_files_go_through_in_tiles(tiny_model, model_folder, tmp_path):
    film, tokens = tmp_path / "in.webp", tmp_path / "tokens.npz"
    video = np.random.default_rng(0).integers(0, 255, (6, 26, 44, 3), np.uint8)
    reelm.Clip(video, 12.0).save(film)
    tiles = ["--tile", "16", "--overlap", "8"]
    assert main(["reconstruct", str(film), "-o", str(tmp_path / "a.webp"), "--model", model_folder, *tiles]) == 0
    assert main(["tokenize", str(film), "-o", str(tokens), "--model", model_folder, *tiles]) == 0
    assert main(["detokenize", str(tokens), "-o", str(tmp_path / "b.webp"), *tiles]) == 0
    expected = tiny_model.video_tokenizer.reconstruct(video, tile=16, overlap=8)
    assert (expected != tiny_model.video_tokenizer.reconstruct(video)).any()
    for name in ("a.webp", "b.webp"):
        np.testing.assert_array_equal(reelm.Clip.open(tmp_path / name).video, expected)


def test_tokens_give_back_what_reconstruct_gives(tiny_model, model_folder, clip_file, tmp_path):
    tokens, out = tmp_path / "tokens.npz", tmp_path / "out.webp"
    assert main(["tokenize", str(clip_file), "-o", str(tokens), "--model", model_folder]) == 0
    with np.load(tokens) as held:
        assert held["video"].dtype == np.int32 and held["video"].shape == (3, 3, 3)
        assert str(held["tokenizer_hash"]) == tiny_model.video_tokenizer.hash
    assert main(["detokenize", str(tokens), "-o", str(out)]) == 0
    expected = tiny_model.video_tokenizer.reconstruct(reelm.Clip.open(clip_file).video)
    np.testing.assert_array_equal(reelm.Clip.open(out).video, expected)


@pytest.mark.slow
def test_tokens_hold_the_sound_where_the_model_has_a_tokenizer_for_it(tiny_sound_model, model_folder, tmp_path, capsys):
    model, tokens, out = tmp_path / "sounding", tmp_path / "tokens.npz", tmp_path / "out.mp4"
    tiny_sound_model.save(model)
    rng = np.random.default_rng(0)
    video, sound = rng.integers(0, 256, (6, 16, 24, 3), np.uint8), rng.uniform(-0.5, 0.5, (6000, 2)).astype(np.float32)
    reelm.Clip(video, 8, sound, 8000).save(tmp_path / "clip.mp4")
    assert main(["tokenize", str(tmp_path / "clip.mp4"), "-o", str(tokens), "--model", str(model)]) == 0
    clip = reelm.Clip.open(tmp_path / "clip.mp4")
    assert clip.audio is not None
    with np.load(tokens) as held:
        ids = tiny_sound_model.audio_tokenizer.encode(clip.audio, clip.sample_rate)[0]
        np.testing.assert_array_equal(held["audio"], ids)
        assert held["sample_rate"] == 8000
        others: dict[str, Any] = {**held, "audio_tokenizer_hash": np.str_("0123456789abcdef")}
    assert main(["detokenize", str(tokens), "-o", str(out)]) == 0
    rebuilt = reelm.Clip.open(out)
    assert rebuilt.audio is not None and rebuilt.audio.any() and len(rebuilt.video) == 6
    capsys.readouterr()
    again = ["reconstruct", str(tmp_path / "clip.mp4"), "-o", str(tmp_path / "again.mp4"), "--model", str(model)]
    assert main(again) == 0 and "SI-SDR" in capsys.readouterr().out
    heard = reelm.Clip.open(tmp_path / "again.mp4").audio
    assert heard is not None and np.abs(heard - rebuilt.audio).mean() < 0.01  # both went through AAC
    assert main([*again, "--copy-sound"]) == 0 and "SI-SDR" not in capsys.readouterr().out
    copied = reelm.Clip.open(tmp_path / "again.mp4").audio
    assert copied is not None and np.corrcoef(copied.mean(1), clip.audio.mean(1))[0, 1] > 0.9
    assert main([*again, "--sound-levels", "1"]) == 2 and "this audio tokenizer decodes" in capsys.readouterr().err
    np.savez(tokens, **others)
    assert main(["detokenize", str(tokens), "-o", str(out)]) == 2
    assert main(["detokenize", str(tokens), "-o", str(out), "--model", model_folder]) == 2


def test_tokens_of_another_tokenizer_are_refused(model_folder, clip_file, tmp_path, capsys):
    tokens, out = tmp_path / "tokens.npz", tmp_path / "out.mp4"
    assert main(["tokenize", str(clip_file), "-o", str(tokens), "--model", model_folder]) == 0
    with np.load(tokens) as held:
        altered: dict[str, Any] = {**held, "tokenizer_hash": np.str_("0123456789abcdef")}
    np.savez(tokens, **altered)
    capsys.readouterr()
    assert main(["detokenize", str(tokens), "-o", str(out)]) == 2
    assert "0123456789abcdef" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("lack", ["video", "tokenizer_hash"])
def test_an_incomplete_token_file_is_refused(tmp_path, capsys, lack):
    fields = ("video", "fps", "frames", "height", "width", "times", "tokenizer_hash", "model")
    held: dict[str, Any] = {name: np.zeros(1) for name in fields if name != lack}
    np.savez(tmp_path / "tokens.npz", **held)
    assert main(["detokenize", str(tmp_path / "tokens.npz"), "-o", str(tmp_path / "x.mp4")]) == 2
    assert lack in capsys.readouterr().err


@pytest.fixture(scope="module")
def token_fields(model_folder, tiny_model) -> dict[str, Any]:
    """What a token file of 6 frames of 18x20 holds."""
    return {
        "video": np.zeros((3, 3, 3), np.int32),
        "fps": np.float64(12),
        "frames": np.int64(6),
        "height": np.int64(18),
        "width": np.int64(20),
        "times": np.arange(7) / 12,
        "tokenizer_hash": np.str_(tiny_model.video_tokenizer.hash),
        "model": np.str_(model_folder),
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"times": np.zeros(0)}, "'times' is float64 of the shape [0]"),
        ({"times": np.zeros((7, 1))}, "'times'"),
        ({"times": np.full(7, np.nan)}, "'times' holds NaN"),
        ({"times": np.array(["x"] * 7)}, "'times' is <U1"),
        ({"times": np.arange(3) / 12}, "3 times for 6 frames"),
        ({"times": np.arange(7)[::-1] / 12}, "do not rise from 0"),
        ({"times": np.arange(7) - 1.0}, "do not rise from 0"),
        ({"times": np.arange(7) * 1e12}, "at most a day"),
        ({"frames": np.int64(5), "times": np.arange(6) / 12}, "codes of the shape [3, 3, 3]; 5 frames"),
        ({"height": np.int64(0)}, "20x0; each must be 1 or more"),
        ({"height": np.int64(-5)}, "each must be 1 or more"),
        ({"height": np.int64(10**6)}, "codes of the shape"),
        ({"width": np.array([1, 2])}, "'width'"),
        ({"width": np.float64("nan")}, "'width' is float64"),
        ({"fps": np.float64(0)}, "must lie between"),
        ({"fps": np.float64(1e9)}, "must lie between"),
        ({"fps": np.array([8.0])}, "'fps'"),
        ({"video": np.zeros((3, 9), np.int32)}, "[t, h, w]"),
        ({"video": np.full((3, 3, 3), 2**20, np.int32)}, "codes"),
        ({"audio": np.zeros((2, 2), np.int32)}, "without the hash"),
        ({"model": np.str_("someone/model")}, "'someone/model', which is not on this machine"),
        ({"model": np.str_("a\x1b[31m\nb")}, "a\\x1b[31m\\nb"),
        ({"tokenizer_hash": np.array([None])}, "'tokenizer_hash' is object"),
    ],
)
def test_a_token_file_whose_fields_do_not_fit_is_refused(token_fields, tmp_path, capsys, change, words):
    np.savez(tmp_path / "tokens.npz", **token_fields | change)
    assert main(["detokenize", str(tmp_path / "tokens.npz"), "-o", str(tmp_path / "x.mp4")]) == 2
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1 and told.strip().isprintable()
    assert not (tmp_path / "x.mp4").exists()


def test_what_nobody_asks_for_in_a_token_file_is_not_unpacked(token_fields, tmp_path):
    bomb: dict[str, Any] = {"other": np.zeros(0)}
    np.savez(tmp_path / "tokens.npz", **token_fields | bomb)
    with zipfile.ZipFile(tmp_path / "tokens.npz", "a") as archive:
        archive.writestr("more.npy", b"no array")
    assert main(["detokenize", str(tmp_path / "tokens.npz"), "-o", str(tmp_path / "x.webp")]) == 0


def test_what_a_file_says_cannot_write_to_the_terminal(tmp_path, capsys):
    said = {"prompt": "x\x1b[31m\nmodel: fake", "a\x1b]0;title\x07": {"b\n": "\ud800"}}
    reelm.Clip(np.zeros((1, 8, 8, 3), np.uint8), 8.0, info=said).save(tmp_path / "x.png")
    assert main(["info", str(tmp_path / "x.png")]) == 0
    told = capsys.readouterr().out
    assert all(line.isprintable() for line in told.splitlines())
    assert "prompt: x\\x1b[31m\\nmodel: fake" in told and "\\ud800" in told


def test_info_of_a_clip_a_model_and_a_configuration(model_folder, clip_file, capsys):
    for subject, word in ((str(clip_file), "fps: 12"), (model_folder, "multiples of 8"), ("demo", "parameters: ")):
        assert main(["info", subject]) == 0
        assert word in capsys.readouterr().out


def test_info_of_a_model_that_is_a_configuration_too_states_memory_for_sizes_that_it_knows(capsys):
    assert main(["info", "crafter", "--memory", "16"]) == 0
    told = capsys.readouterr().out
    assert "keys: left, right" in told and "config of lm:\n  parameters: " in told


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no shell")
def test_a_reader_that_goes_away_does_not_stop_the_work(model_folder, tmp_path):
    line = f"{sys.executable} -u -m reelm generate '{PROMPT}' --num-frames 1 --model {model_folder}"
    for number, (options, ending, status) in enumerate([("", ">&-", 0), ("--num-samples 2", "2>/dev/full", 0)]):
        ran = subprocess.run(["bash", "-c", f"{line} {options} -o {tmp_path}/{number}.png {ending}"])
        assert ran.returncode == status
    subprocess.run(["bash", "-c", f"{line} --num-samples 3 -o {tmp_path}/2.png | head -c 1"], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("0.png", "1-0.png", "1-1.png", "2-0.png", "2-1.png", "2-2.png"),
    ]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_full_disk_is_one_line_and_no_file(model_folder, tmp_path):
    limited = (
        # A module compiled under the limit would be kept cut off, and break whoever imports it next.
        "import resource, signal, sys; from reelm.cli.main import main; sys.dont_write_bytecode = True;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", limited, "generate", PROMPT, "-o", str(tmp_path / "x.mp4")]
    ended = subprocess.run([*command, "--model", model_folder], capture_output=True, text=True)
    assert ended.returncode == 1
    told = [line for line in ended.stderr.splitlines() if not line.startswith("latent frames: ")]
    assert len(told) == 1 and told[0].startswith("reelm: error: ")
    assert not list(tmp_path.iterdir())


def test_a_story_is_told_by_a_file_and_pictures(tmp_path):
    picture, story = tmp_path / "seven.png", tmp_path / "story.json"
    write_picture(picture, np.zeros((8, 8, 3), np.uint8))
    story.write_text('{"storyboard": [{"prompt": "a <1>", "seconds": 1}], "references": ["seven.png"]}')
    asked = generate.Generate(output=tmp_path / "x.mp4", storyboard=story)
    assert asked._words() == [""] and asked._moves()["references"] == [picture]
    both = replace(asked, reference=(picture,))
    with pytest.raises(RequestError, match="not both"):
        both._moves()
    picture.unlink()
    with pytest.raises(RequestError, match=r"seven\.png"):
        asked._moves()
