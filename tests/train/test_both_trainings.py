"""Both trainings on moving digits, at toy size: what they teach, what they keep, and the model they make together."""

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made.parameters import random_params
from safetensors.numpy import load_file, save_file

import reelm
from reelm.data.augment import RandomClip
from reelm.data.moving_digits import soundtracks
from reelm.data.moving_digits.scenes import example
from reelm.data.tokens.config import Bucket, Stage
from reelm.data.tokens.sample import TokenSample
from reelm.data.tokens.tokenize import tokenize
from reelm.errors import RequestError
from reelm.lm.likelihood import cross_entropy
from reelm.lm.mesh import MeshSpec
from reelm.lm.net.config import LMConfig
from reelm.lm.net.transformer import init_params
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.specials import SPECIALS
from reelm.sampling.model import Model
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.tokenizer import AudioTokenizer
from reelm.tokenizer.audio.tokenizer import init_params as init_audio_params
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.text.sentence_encoder import SentenceEncoder
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.train.export import ExportPlan, export
from reelm.train.lm import run as lm
from reelm.train.lm.config import LMRun
from reelm.train.parts import open_audio_tokenizer, open_video_tokenizer
from reelm.train.run.checkpoints import restore_params
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.step.state import create
from reelm.train.step.update import make_step
from reelm.train.tokenizers.video_config import ClipData, VideoTokenizerRun

pytestmark = pytest.mark.slow  # several programs are compiled before the first test

TOKENIZER = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=8, encoder_channels=(16,), decoder_channels=(16,), encoder_blocks=1, decoder_blocks=1
    ),
    data=ClipData(source_frames=9, frames=5, crop=16),
    batch_size=2,
    loop=LoopConfig(steps=3, save_every=3, sample_every=3),
)
LM = LMRun(
    model=LMConfig(bits=8, frames=3, width=32, layers=2, heads=2, kv_heads=1, head_width=16, hidden=32),
    stages=(
        Stage(steps=1, buckets=(Bucket(frames=1, batch_size=4),)),
        Stage(buckets=(Bucket(frames=1, batch_size=4), Bucket(frames=2, batch_size=2)), weights=(0.5, 0.5)),
    ),
    optimizer=OptimizerConfig(muon=0.02),
    loop=LoopConfig(steps=3, save_every=3, sample_every=3),
)

# One training draws samples and has several stages and buckets. The others would compile all of it for their own model.
SHORT = replace(
    LM,
    stages=(Stage(buckets=(Bucket(frames=2, batch_size=2),)),),
    loop=replace(LM.loop, sample_every=0),
)

AUDIO = AudioTokenizerConfig(
    strides=(40, 10), encoder_channels=(8, 8), decoder_channels=(8, 8), levels=2, groups=1, bits=4
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with `tokenizer`, `tokens`, `lm` and `model`."""
    folder = tmp_path_factory.mktemp("trained")
    reelm.train(TOKENIZER, folder / "tokenizer")
    tokenize("moving_digits", open_video_tokenizer(folder / "tokenizer"), folder / "tokens", num_clips=40, num_frames=9)
    reelm.train(replace(LM, tokens=(folder / "tokens",), video_tokenizer=folder / "tokenizer"), folder / "lm")
    export(
        ExportPlan(video_tokenizer=folder / "tokenizer", lm=[folder / "lm"], dtype="int8", cfg_scale=1.5),
        folder / "model",
    )
    return folder


def test_the_model_made_by_the_trainings_generates(trained):
    model = reelm.load(str(trained / "model"))
    clip = model.generate("a red seven moves right", num_frames=9, seed=1)
    assert isinstance(clip, reelm.Clip)
    assert clip.video.shape == (9, 64, 64, 3)
    assert clip.info["cfg_scale"] == 1.5
    assert clip.info["overlap"] == 0.5  # one of three latent frames: a second would be more than half
    assert model.record["lm"]["steps"] == 3


def test_samples_are_written_while_training(trained):
    assert (trained / "tokenizer" / "samples" / "step_00000003" / "rebuilt.png").is_file()
    clip = reelm.Clip.open(trained / "lm" / "samples" / "step_00000003" / "0.mp4")
    assert clip.info["prompt"] == example("train", 0, 1)["captions"][0]


def test_tokens_are_the_codes_of_the_clips(trained):
    from reelm.data.tokens.read import open_tokens

    tokenizer = open_video_tokenizer(trained / "tokenizer")
    source = open_tokens(trained / "tokens", tokenizer.hash)
    assert len(source) == 40
    for i in (0, 33, 39):
        original = example("train", i, 9)
        assert source[i]["captions"] == original["captions"]
        np.testing.assert_array_equal(source[i]["video"], tokenizer.encode(original["video"])[0])


def test_a_frozen_encoder_keeps_its_codes_while_the_decoder_learns(trained, tmp_path):
    export(ExportPlan(video_tokenizer=trained / "tokenizer", dtype="int8"), tmp_path / "stored")
    reelm.train(replace(TOKENIZER, start_from=tmp_path / "stored", freeze_encoder=True), tmp_path / "further")
    folders = (trained / "tokenizer", tmp_path / "stored", tmp_path / "further")
    first, before, after = (open_video_tokenizer(folder) for folder in folders)
    assert first.hash == before.hash == after.hash
    video = example("test", 0, 9)["video"]
    np.testing.assert_array_equal(before.encode(video), after.encode(video))
    pixels = [tokenizer.params["decoder"]["pixels"]["bias"] for tokenizer in (before, after)]
    assert np.abs(pixels[0] - pixels[1]).max() > 0


@pytest.mark.long
def test_a_finish_learns_while_all_that_is_known_stays_to_the_bit(trained, tmp_path):
    model = replace(TOKENIZER.model, decoder_finish=4)
    run = replace(TOKENIZER, start_from=trained / "tokenizer", freeze_known=True, model=model)
    reelm.train(run, tmp_path / "finished")
    before, after = (open_video_tokenizer(folder) for folder in (trained / "tokenizer", tmp_path / "finished"))
    finish = after.params["decoder"].pop("finish")
    assert before.hash == after.hash and np.abs(finish["out"]["kernel"]).max() > 0
    jax.tree.map(np.testing.assert_array_equal, after.params, before.params)
    with pytest.raises(RequestError, match="has all nets of this tokenizer, so freeze_known leaves none to train"):
        reelm.train(replace(run, start_from=tmp_path / "finished"), tmp_path / "again")


def test_a_language_model_does_not_go_with_another_tokenizer(trained, random_tokenizer, tmp_path):
    Model("other", random_tokenizer(TOKENIZER.model)).save(tmp_path / "other")
    with pytest.raises(RequestError, match="tokenize the clips again"):
        export(ExportPlan(video_tokenizer=tmp_path / "other", lm=[trained / "lm"]), tmp_path / "model")


@pytest.mark.long
def test_a_language_model_goes_on_with_other_tasks(trained, tmp_path):
    tasks = (Stage(buckets=(Bucket(frames=2, batch_size=2, task="keyframes"),)),)
    still = OptimizerConfig(learning_rate=0.0)
    run = replace(SHORT, tokens=(trained / "tokens",), stages=tasks, optimizer=still, start_from=trained / "lm")
    after = reelm.train(run, tmp_path / "further")
    before = restore_params(trained / "lm").params
    jax.tree.map(np.testing.assert_array_equal, before, after.params)
    assert (tmp_path / "further" / "text.model").read_bytes() == (trained / "lm" / "text.model").read_bytes()


def test_several_language_models_become_their_mean(trained, tmp_path):
    run = replace(SHORT, tokens=(trained / "tokens",), start_from=trained / "lm")
    reelm.train(run, tmp_path / "further")
    parts = [trained / "lm", tmp_path / "further"]
    one, other = (restore_params(part).params for part in parts)
    joined = export(ExportPlan(video_tokenizer=trained / "tokenizer", lm=parts), tmp_path / "model")
    mean = jax.tree.map(lambda a, b: (np.asarray(a) + np.asarray(b)) / 2, one, other)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-7), joined.language_model().params, mean)
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True))
    assert [each["steps"] for each in joined.record["lm"]["averaged_with"]] == [LM.loop.steps]
    swapped = (
        export(ExportPlan(video_tokenizer=trained / "tokenizer", lm=parts[::-1]), tmp_path / "swapped")
        .language_model()
        .params
    )
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-7), swapped, mean)

    deeper = replace(joined.language_model().config, layers=3)
    lm = replace(joined.language_model(), config=deeper, params=random_params(init_params, deeper))
    replace(joined, lm=lm).save(tmp_path / "deeper")
    with pytest.raises(RequestError, match="differ in sizes, words or codes"):
        export(
            ExportPlan(video_tokenizer=trained / "tokenizer", lm=[trained / "lm", tmp_path / "deeper"]),
            tmp_path / "none",
        )


def test_a_language_model_of_other_sizes_is_not_gone_on_with(trained, tmp_path):
    run = replace(LM, model=replace(LM.model, layers=3), tokens=(trained / "tokens",), start_from=trained / "lm")
    with pytest.raises(RequestError, match="a language model of other sizes than this run: layers: 2 -> 3"):
        reelm.train(run, tmp_path / "further")


def test_folders_of_the_wrong_training_are_named(trained, tmp_path):
    with pytest.raises(RequestError, match="a training of stage lm, not a video tokenizer"):
        open_video_tokenizer(trained / "lm")
    with pytest.raises(RequestError, match="a training of stage video-tokenizer, not a language model"):
        export(ExportPlan(video_tokenizer=trained / "tokenizer", lm=[trained / "tokenizer"]), tmp_path / "model")


def test_a_bucket_longer_than_the_tokens_is_refused(trained, tmp_path):
    run = replace(LM, tokens=(trained / "tokens",), stages=(Stage(buckets=(Bucket(frames=4, batch_size=2),)),))
    with pytest.raises(RequestError, match="4 latent frames"):
        reelm.train(run, tmp_path / "lm")


def test_a_language_model_of_other_bits_than_the_tokenizer_is_refused(trained, tmp_path):
    run = replace(LM, tokens=(trained / "tokens",), video_tokenizer=trained / "tokenizer")
    with pytest.raises(RequestError, match="writes 8 bits, the model reads 10"):
        reelm.train(replace(run, model=replace(run.model, bits=10)), tmp_path / "lm")


def test_words_are_dropped_at_the_given_share():
    text = TextTokenizer.train(["a red seven moves right"] * 9, 280)
    none = np.zeros((0, 8, 8), np.int32)
    sample = TokenSample(
        video=np.zeros((3, 8, 8), np.int32),
        captions=("a red seven moves right",),
        stills=none,
        still_frames=np.zeros(0, np.int32),
        sound=np.zeros((0, 0), np.int32),
    )
    run = LMRun(model=LMConfig(prefix=32), caption_dropout=0.3)
    source: Any = SimpleNamespace(index=SimpleNamespace(fps=8.0, time_stride=4, controls=()))
    for own, least, most in ((None, 0.24, 0.36), (0.8, 0.74, 0.86), (0.0, 0.0, 0.0)):
        to_sample = lm.to_sample(run, text, None, source, Bucket(frames=2, batch_size=4, caption_dropout=own))
        made = [to_sample.random_map(sample, np.random.default_rng(i)) for i in range(500)]
        dropped = np.mean([(each["prefix"].words < SPECIALS).all() for each in made])
        assert least <= dropped <= most
        assert made[0]["codes"].video.shape == (2, 8, 8)


def test_crops_lie_inside_the_clip_and_differ():
    clip = example("train", 0, 9)["video"]
    crops = [RandomClip(5, 16).random_map({"video": clip}, np.random.default_rng(i)) for i in range(5)]
    assert all(crop.shape == (5, 16, 16, 3) and crop.min() >= -1 and crop.max() <= 1 for crop in crops)
    assert len({crop.tobytes() for crop in crops}) > 1


def test_cross_entropy_of_a_fresh_model_is_that_of_a_fair_draw():
    codes = np.random.default_rng(1).integers(0, 256, (2, 2, 2, 2), np.int32)
    prefix = Prefix.of_words(np.zeros((2, LM.model.prefix), np.int32), 2, 2)

    @jax.jit
    def fresh(key: jax.Array) -> jax.Array:
        return cross_entropy(LM.model, init_params(LM.model, key), prefix, ClipCodes.of_video(codes)).video

    nats = fresh(jax.random.key(0))
    np.testing.assert_allclose(nats, np.log(256), rtol=1e-5)


@pytest.mark.parametrize("muon", [0.0, 0.02])
def test_a_step_without_a_finite_loss_changes_nothing_but_the_count(muon):
    optimizer = OptimizerConfig(muon=muon).build(10)
    step = make_step(lambda params, batch, key, step: (jnp.sum(params["kernel"]) * batch, {}), optimizer, 0.9)
    state = create({"kernel": jnp.ones((2, 3))}, optimizer, 0)
    state, metrics = step(state, jnp.float32(1.0))
    assert metrics["skipped"] == 0
    before = jax.device_get(state)
    state, metrics = step(state, jnp.float32(jnp.nan))
    assert metrics["skipped"] == 1 and state.step == 2
    jax.tree.map(np.testing.assert_array_equal, before.replace(step=0), jax.device_get(state).replace(step=0))
    state, metrics = step(state, jnp.float32(1.0))
    assert metrics["skipped"] == 0 and np.abs(state.params["kernel"] - before.params["kernel"]).max() > 0


def test_the_average_is_what_is_exported(trained):
    averaged = restore_params(trained / "tokenizer").params
    latest = reelm.train(TOKENIZER, trained / "tokenizer").params  # it is trained: this reads it back
    difference = jax.tree.map(lambda a, b: np.abs(a - b).max(), averaged, latest)
    assert max(jax.tree.leaves(difference)) > 0
    jax.tree.map(np.testing.assert_array_equal, open_video_tokenizer(trained / "tokenizer").params, averaged)


def test_the_best_checkpoint_is_exported_on_request(trained, tmp_path):
    loop = LoopConfig(steps=3, save_every=3, keep=1, sample_every=0, evaluate_every=1, best="-loss")
    reelm.train(replace(TOKENIZER, loop=loop), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = {line["step"]: line["eval_loss"] for line in lines if "eval_loss" in line}
    assert {name for line in lines for name in line if name.startswith("eval_")} == {"eval_loss", "eval_psnr"}
    best = max(losses, key=lambda step: losses[step])
    exported = export(ExportPlan(video_tokenizer=tmp_path / "run", best=("video-tokenizer",)), tmp_path / "best")
    assert (made := exported.record["video_tokenizer"])["steps"] == best != 3
    assert made["last_metrics"]["eval_loss"] == losses[best]
    expected = restore_params(tmp_path / "run", best=True).params
    jax.tree.map(np.testing.assert_array_equal, exported.video_tokenizer.params, expected)
    with pytest.raises(RequestError, match="no evaluations, so no best"):
        export(ExportPlan(video_tokenizer=trained / "tokenizer", best=()), tmp_path / "none")
    with pytest.raises(RequestError, match="lm has no evaluations, so no best"):
        plan = ExportPlan(video_tokenizer=tmp_path / "run", lm=[trained / "lm"], best=("lm",))
        export(plan, tmp_path / "none")


@pytest.mark.long
def test_a_silent_language_model_gets_sound(trained, tmp_path):
    """Tokens with sound, a model that goes on from a silent one, and a folder whose clips are heard."""
    from reelm.data.tokens.read import open_tokens

    audio = AudioTokenizer(AUDIO, init_audio_params(AUDIO, jax.random.key(0)))
    video = open_video_tokenizer(trained / "tokenizer")
    Model("parts", video, audio_tokenizer=audio).save(tmp_path / "parts")
    tokens, parts = tmp_path / "tokens", tmp_path / "parts"
    tokenize(
        "moving_digits_sound",
        open_video_tokenizer(parts),
        tokens,
        audio_tokenizer=open_audio_tokenizer(parts),
        num_clips=8,
        num_frames=9,
    )
    source = open_tokens(tokens)
    example = soundtracks.example("train", 3, 9)
    np.testing.assert_array_equal(source[3]["sound"], audio.encode(example["audio"], 16_000)[0])

    heard = replace(LM.model, sound_levels=2, sound_bits=4, sound_frames=(5, 20))
    buckets = (Bucket(frames=2, batch_size=2), Bucket(frames=2, batch_size=2, task="a2v"))
    stages = (Stage(buckets=buckets, weights=(0.5, 0.5)),)
    run = replace(SHORT, model=heard, tokens=(tokens,), stages=stages, start_from=trained / "lm")
    reelm.train(run, tmp_path / "lm")
    model = export(ExportPlan(video_tokenizer=parts, lm=[tmp_path / "lm"], audio_tokenizer=parts), tmp_path / "model")
    clip = reelm.load(str(tmp_path / "model")).generate(example["captions"][0], num_frames=5)
    assert clip.audio is not None and clip.audio.shape == (10_000, 1)
    assert model.language_model().tasks == ("a2v", "t2v")
    with pytest.raises(RequestError, match="tokenize with --audio-tokenizer"):
        reelm.train(replace(run, tokens=(trained / "tokens",)), tmp_path / "silent")

    own = ExportPlan(video_tokenizer=parts, lm=[tmp_path / "model"], audio_tokenizer=parts, cfg_scale=2.0, num_frames=9)
    joined = export(own, tmp_path / "joined")
    assert joined.record == model.record and joined.defaults == replace(model.defaults, cfg_scale=2.0, num_frames=9)
    for length in (0, 10):
        with pytest.raises(RequestError, match=f"{length}"):
            export(replace(own, num_frames=length), tmp_path / "none")
    jax.tree.map(np.testing.assert_array_equal, joined.language_model().params, model.language_model().params)

    still = replace(run, stages=SHORT.stages, start_from=tmp_path / "model")
    still = replace(still, optimizer=replace(run.optimizer, learning_rate=0.0, muon=0.0))
    after = reelm.train(still, tmp_path / "further").params
    jax.tree.map(np.testing.assert_array_equal, after, model.language_model().params)
    assert (tmp_path / "further" / "text.model").read_bytes() == (tmp_path / "lm" / "text.model").read_bytes()
    record = export(
        ExportPlan(video_tokenizer=parts, lm=[tmp_path / "further"], audio_tokenizer=parts), tmp_path / "again"
    ).record["lm"]
    assert record["started_from"]["started_from"]["steps"] == LM.loop.steps
    with pytest.raises(RequestError, match="has no language model"):
        reelm.train(replace(run, start_from=parts), tmp_path / "none")


@pytest.mark.long
def test_a_language_model_learns_through_a_text_encoder(trained, sentences, tmp_path):
    """Captions through a frozen encoder, a model folder that holds it, and runs that are not to read another."""
    config = replace(LM.model, text_vocabulary=1, text_width=16, prefix=40)
    run = replace(SHORT, model=config, tokens=(trained / "tokens",), text_encoder=sentences)
    # Layers begin as the identity: what stands in front of the codes matters some steps later.
    run = replace(run, video_tokenizer=trained / "tokenizer", loop=replace(SHORT.loop, steps=6))
    before = lm.objective_of(run).build(MeshSpec().build(jax.devices()[:1]))[0].params["text"]["kernel"]
    after = reelm.train(run, tmp_path / "lm").params["text"]["kernel"]
    assert np.abs(after - before).max() > 0
    assert not (tmp_path / "lm" / "text.model").exists()
    model = export(
        ExportPlan(video_tokenizer=trained / "tokenizer", lm=[tmp_path / "lm"], dtype="int8"), tmp_path / "model"
    )
    assert model.record["lm"]["config"]["text_encoder"] == "encoder"
    loaded = reelm.load(str(tmp_path / "model"))
    assert isinstance(loaded.language_model().text, SentenceEncoder)
    assert loaded.generate("a red seven moves right", num_frames=5).video.shape == (5, 64, 64, 3)
    # What ships may be trained further, on longer captions.
    longer = replace(run, model=replace(config, prefix=48), start_from=tmp_path / "model")
    still = replace(longer, optimizer=replace(run.optimizer, learning_rate=0.0, muon=0.0))
    kept = reelm.train(still, tmp_path / "longer").params
    jax.tree.map(np.testing.assert_array_equal, kept, loaded.language_model().params)

    other = tmp_path / "other"
    shutil.copytree(sentences, other)
    weights = load_file(other / "model.safetensors")
    save_file(weights | {"sentence/bias": weights["sentence/bias"] + 1}, other / "model.safetensors")
    for begun in (
        lambda: reelm.train(replace(run, text_encoder=other, start_from=tmp_path / "lm"), tmp_path / "further"),
        lambda: export(
            ExportPlan(video_tokenizer=trained / "tokenizer", lm=[tmp_path / "lm"], text_encoder=other),
            tmp_path / "again",
        ),
    ):
        with pytest.raises(RequestError, match="was trained with the text encoder"):
            begun()
    with pytest.raises(RequestError, match="embeddings of width 16; name the folder"):
        reelm.train(replace(run, text_encoder=None), tmp_path / "none")
    with pytest.raises(RequestError, match="reads pieces of a text tokenizer, not embeddings of width 16"):
        reelm.train(replace(run, model=LM.model), tmp_path / "pieces")
