"""Models: the seed rules of `generate`, folders that survive a round trip, and folders that do not."""

import hashlib
import json
import pickle
import struct
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import reelm
from reelm.errors import RequestError
from reelm.sampling.arguments import read_arguments
from reelm.sampling.model import Model
from reelm.sampling.options import Defaults
from reelm.sampling.planning.plan import plan


@pytest.fixture(scope="module")
def model(tiny_model) -> Model:
    return replace(tiny_model, defaults=Defaults(height=16, width=24, num_frames=5, cfg_scale=2.0), record={"steps": 1})


def ids(clip: reelm.Clip) -> np.ndarray:
    assert clip.tokens is not None and clip.tokens["video"] is not None
    return clip.tokens["video"]


def test_the_clip_is_what_was_asked(model):
    clip = model.generate("a red seven moves", seed=3)
    assert clip.video.shape == (5, 16, 24, 3) and clip.video.dtype == np.uint8 and clip.fps == 8
    assert ids(clip).shape == (2, 2, 3)
    assert clip.info["prompt"] == "a red seven moves" and clip.info["seed"] == 3
    np.testing.assert_array_equal(model.video_tokenizer.decode(ids(clip))[0], clip.video)


def test_other_weights_run_in_the_same_programs(model):
    def other(lm):
        return replace(lm, params=jax.tree.map(lambda leaf: leaf + 0.1, lm.params))

    drawn, compiled = model.generate("red", seed=3), list[str]()
    swapped = replace(model, lm=other(model.language_model()))

    def note(event: str, duration_secs: float, **of: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(of["fun_name"])

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        clip = swapped.generate("red", seed=3)
    finally:
        jax.monitoring.unregister_event_duration_listener(note)
    assert not [name for name in compiled if name in ("jit(start)", "jit(draw_program)")]
    assert (ids(clip) != ids(drawn)).any()


@pytest.mark.parametrize("num_frames", [1, 2, 4, 5, 6, 13])
def test_any_number_of_frames(model, num_frames):
    assert len(model.generate("red", num_frames=num_frames).video) == num_frames


@pytest.mark.slow
def test_a_list_of_prompts_is_flat_and_each_clip_is_that_of_its_prompt_alone(model):
    clips = model.generate(["a red seven moves", "blue"], num_samples=2, seed=1)
    expected = [(prompt, seed) for prompt in ("a red seven moves", "blue") for seed in (1, 2)]
    assert [(clip.info["prompt"], clip.info["seed"]) for clip in clips] == expected
    for clip, (prompt, seed) in zip(clips, expected, strict=True):
        np.testing.assert_array_equal(ids(clip), ids(model.generate(prompt, seed=seed)))
    assert len({ids(clip).tobytes() for clip in clips}) == 4


def test_a_longer_clip_begins_as_a_shorter_one(model):
    short, long = (model.generate("two", num_frames=n, seed=2) for n in (5, 13))
    np.testing.assert_array_equal(ids(long)[:2], ids(short))
    np.testing.assert_array_equal(long.video[:5], short.video)


@pytest.mark.slow
@pytest.mark.parametrize("decoding", ["sequential", "parallel"])
def test_a_min_p_of_1_takes_the_likeliest_code_from_the_latent_frame_on_that_it_is_for(model, decoding):
    options: dict[str, Any] = {"cfg_scale": 1.0, "decoding": decoding, "num_frames": 9}
    params = model.lm.params
    flat = {**params, "head": jax.tree.map(lambda leaf: 0.2 * leaf, params["head"])}
    model = replace(model, lm=replace(model.lm, params=flat))
    greedy = model.generate("red", temperature=0.0, **options)
    np.testing.assert_array_equal(ids(model.generate("red", min_p=1.0, **options)), ids(greedy))
    # All values are about equally likely, so nearly always another than the likeliest begins a clip.
    begun = model.generate("red", min_p=[0.0, 1.0], **options)
    assert np.mean(ids(begun)[0] == ids(greedy)[0]) < 0.5
    on = model.generate("red", image=begun.video[0], temperature=0.0, **options)
    again = model.generate("red", image=begun.video[0], min_p=[0.0, 1.0], **options)
    np.testing.assert_array_equal(ids(again), ids(on))
    own = replace(model, defaults=replace(model.defaults, min_p=(0.0, 1.0)))
    np.testing.assert_array_equal(ids(own.generate("red", **options)), ids(begun))


def test_prompt_guidance_and_negative_prompt_all_count(model):
    guided: dict[str, Any] = {"cfg_scale": 4.0, "num_frames": 13}
    clips = [
        model.generate("red", **guided),
        model.generate("blue", **guided),
        model.generate("red", **guided | {"cfg_scale": 1.0}),
        model.generate("red", **guided, negative_prompt="seven"),
    ]
    assert len({ids(clip).tobytes() for clip in clips}) == 4


def compile_again(model: Model, caplog: pytest.LogCaptureFixture) -> bool:
    """Whether other settings than those of a first clip make JAX compile."""
    model.generate("red", cfg_scale=2.0, top_k=9)
    with jax.log_compiles(), caplog.at_level("WARNING", logger="jax"):
        model.generate("blue two", seed=9, temperature=0.5, top_k=3, top_p=0.8, cfg_scale=4.0, negative_prompt="red")
        again = any("Compiling" in message for message in caplog.messages)
        jax.jit(lambda x: x + 1)(1)  # the log does tell
        assert any("Compiling" in message for message in caplog.messages)
    return again


def test_new_settings_do_not_compile_again(model, caplog):
    assert not compile_again(model, caplog)


@pytest.mark.slow
def test_nor_do_they_of_a_model_with_sound_in_the_formats_of_accelerators(tiny_sound_model, caplog):
    lm = replace(tiny_sound_model.lm, number_format="int8")
    assert not compile_again(replace(tiny_sound_model, lm=lm, dtype=jnp.bfloat16), caplog)


def test_callback_counts_latent_frames_and_cancels(model):
    seen = []
    clip = model.generate("red", num_frames=13, callback=lambda done, total: seen.append((done, total)) or done < 2)
    assert seen == [(1, 4), (2, 4)]
    assert len(clip.video) == 5


def test_score_agrees_with_greedy_decoding(model):
    clip = model.generate("red", temperature=0.0, cfg_scale=1.0)
    scores = model.score(clip, "red")
    assert scores.shape == ids(clip).shape and (scores < 0).all()
    # Greedy takes the likeliest first sub-token at each place, so no code below 1 / (32 * 32) can be chosen.
    assert (scores > -2 * np.log(32)).all()
    red, blue = model.score([clip, clip], ["red", "blue"])
    assert np.abs(scores - blue).max() > 1e-3
    np.testing.assert_array_equal(red, scores)
    np.testing.assert_array_equal(model.score([clip], "red")[0], scores)
    for clips, prompts in (([clip], ["red", "blue"]), (clip, ["red"])):
        with pytest.raises(RequestError, match="as many clips|one for each"):
            model.score(clips, prompts)  # type: ignore[call-overload]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_a_saved_model_is_the_same_model(model, tmp_path, dtype):
    model.save(tmp_path / "m", dtype=dtype)
    loaded = reelm.load(str(tmp_path / "m"))
    assert loaded.video_tokenizer.hash == model.video_tokenizer.hash
    assert loaded.record == model.record and loaded.defaults == model.defaults
    tolerance = {"float32": 0, "bfloat16": 0.01, "int8": 0.02}[dtype]
    assert loaded.lm is not None and model.lm is not None
    for ours, theirs in zip(jax.tree.leaves(model.lm.params), jax.tree.leaves(loaded.lm.params), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=tolerance * max(1, np.abs(ours).max()))
    if dtype == "float32":
        np.testing.assert_array_equal(ids(loaded.generate("red")), ids(model.generate("red")))


def test_a_model_stands_until_the_one_that_replaces_it_is_complete(model, tmp_path, monkeypatch):
    model.save(tmp_path, dtype="int8")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reelm.sampling.folder.write.write_json", full)
    with pytest.raises(OSError, match="No space"):
        model.save(tmp_path, dtype="float32")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_no_request_may_have_is_no_default(model, tmp_path):
    with pytest.raises(RequestError, match="cfg_scale is nan"):
        Defaults(cfg_scale=float("nan"))
    with pytest.raises(RequestError, match="min_p is -5"):
        Defaults(min_p=(-5.0,))
    with pytest.raises(RequestError, match="'fp8'; choose one of float32"):
        model.save(tmp_path / "m", dtype="fp8")
    assert not (tmp_path / "m").exists()


def test_a_tokenizer_alone_says_that_it_cannot_generate(model, tmp_path):
    Model("rebuilder", model.video_tokenizer).save(tmp_path)
    loaded = reelm.load(str(tmp_path))
    assert loaded.video_tokenizer.reconstruct(np.zeros((3, 9, 9, 3), np.uint8)).shape == (3, 9, 9, 3)
    with pytest.raises(RequestError, match="without a language model"):
        loaded.generate("red")


def _damage_weights(folder):
    data = bytearray((folder / "lm.safetensors").read_bytes())
    data[-5] ^= 1
    (folder / "lm.safetensors").write_bytes(data)


def _other_format(folder):
    manifest = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(manifest | {"format": 99}))


def _replace_weights(folder, data):
    """Other bytes, and the digest that says they are right."""
    (folder / "lm.safetensors").write_bytes(data)
    manifest = (folder / "model.json").read_text()
    before = json.loads(manifest)["files"]["lm.safetensors"]
    (folder / "model.json").write_text(manifest.replace(before, hashlib.sha256(data).hexdigest()))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: _replace_weights(folder, struct.pack("<Q", 2**60) + b"{}"), "not a valid safetensors file"),
        (lambda folder: _replace_weights(folder, pickle.dumps({"head": b"kernel"})), "not a valid safetensors file"),
        (lambda folder: _replace_weights(folder, b""), "not a valid safetensors file"),
        (_damage_weights, "sha256"),
        (_other_format, "format 99"),
        (lambda folder: (folder / "lm.safetensors").unlink(), "missing"),
        (lambda folder: (folder / "model.json").write_text("{"), "damaged"),
        (lambda folder: (folder / "model.json").unlink(), "no model.json"),
    ],
    ids=[
        "huge header",
        "renamed pickle",
        "empty",
        "flipped bit",
        "format",
        "missing file",
        "broken manifest",
        "no manifest",
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(model, tmp_path, damage, message):
    model.save(tmp_path)
    damage(tmp_path)
    with pytest.raises(RequestError, match=message) as error:
        reelm.load(str(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_frames": 0}, "num_frames is 0; it must be 1 or more"),
        ({"overlap": 2.0, "num_frames": 14}, "0.5 to 1.5"),
        ({"prompt": ["red", (1.0, "blue")]}, "strings, or"),
        ({"prompt": [(1.0, "blue")]}, "starts at 0 seconds"),
        ({"height": 17}, "nearest valid"),
        ({"num_samples": 0}, "num_samples"),
        ({"seed": -1}, "seed"),
        ({"prompt": "word " * 2000}, "fewer words"),
        ({"prompt": []}, "empty"),
        ({"temperature": float("nan")}, "temperature"),
    ],
)
def test_impossible_requests_are_refused_in_one_line(model, settings, message):
    with pytest.raises(RequestError, match=message) as error:
        model.generate(**({"prompt": "red"} | settings))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "words",
    [{"prompt": "word " * 2000}, {"prompt": [(0, "red"), (1, "word " * 2000)]}, {"negative_prompt": "word " * 2000}],
)
def test_words_that_do_not_fit_are_refused_before_a_film_is_read(model, words):
    with pytest.raises(RequestError, match="fewer words"):
        model.generate(**({"prompt": "red"} | words), video="missing.mp4")


def test_a_wrong_argument_names_the_right_one(model):
    with pytest.raises(TypeError, match="cfg_scale"):
        model.generate("red", guidance_scale=3.0)
    with pytest.raises(TypeError, match="num_frames"):
        model.generate("red", num_frame=3)


def test_noise_differs_between_the_sub_tokens_of_a_code():
    key = jax.random.fold_in(jax.random.key(0), 0)
    first, second = (jax.random.gumbel(jax.random.fold_in(key, k), (32,)) for k in range(2))
    assert np.abs(np.corrcoef(jnp.stack([first, second]))[0, 1]) < 0.5


def test_sound_alone_has_a_guidance_scale_of_its_own(tiny_sound_model):
    other = replace(tiny_sound_model, defaults=replace(tiny_sound_model.defaults, cfg_scale=2.0, sound_cfg_scale=3.0))
    sound = np.zeros(2000, np.float32)
    for words, asked, scale in ((None, {"audio": sound}, 3.0), ("red", {"audio": sound}, 2.0), ("red", {}, 2.0)):
        assert plan(other, words, *read_arguments(asked)).choice.settings.cfg_scale == (scale,)
    assert plan(other, None, *read_arguments({"audio": sound, "cfg_scale": 1.5})).choice.settings.cfg_scale == (1.5,)
