"""`reelm.functional`: traced everywhere, the same as the classes, and named by them where they cannot be traced."""

import dataclasses
import inspect
import re
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from made.parameters import random_params

import reelm
from reelm import functional
from reelm.lm.net import embed, transformer
from reelm.media.clip import Clip
from reelm.tokenizer.audio.tokenizer import AudioTokenizer
from reelm.tokenizer.video.tokenizer import VideoTokenizer

FRAMES, SAMPLES = (1, 5, 16, 16, 3), (1, 100, 1)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


@pytest.fixture(scope="module")
def video(tiny_sound_model):
    """(module, variables) of the tiny video tokenizer."""
    tokenizer = tiny_sound_model.video_tokenizer
    return functional.VideoNet(tokenizer.config), {"params": tokenizer.params}


@pytest.fixture(scope="module")
def audio(tiny_sound_model):
    """(module, variables) of the tiny audio tokenizer."""
    tokenizer = tiny_sound_model.audio_tokenizer
    return functional.AudioNet(tokenizer.config), {"params": tokenizer.params}


def round_trip(net: Any, variables: dict, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return latents, and what is decoded of their ids."""
    latents = net.apply(variables, x, method="encode")
    signs = functional.codes(functional.ids(latents), net.config.bits)
    return latents, net.apply(variables, signs, method="decode")


def test_jitted_video_is_that_of_the_class(video, tiny_sound_model):
    frames, tokenizer = random(*FRAMES), tiny_sound_model.video_tokenizer
    latents, rebuilt = jax.jit(partial(round_trip, video[0]))(video[1], frames)
    ids = tokenizer.encode(frames)
    np.testing.assert_array_equal(functional.ids(latents), ids)
    pixels = np.round((np.clip(rebuilt, -1, 1) + 1) * 127.5)
    np.testing.assert_allclose(pixels, tokenizer.decode(ids), atol=1)  # where rounding falls either way
    assert np.mean(pixels != tokenizer.decode(ids)) < 1e-3


def test_jitted_sound_is_that_of_the_class(audio, tiny_sound_model):
    sound, tokenizer = random(*SAMPLES), tiny_sound_model.audio_tokenizer
    latents, rebuilt = jax.jit(partial(round_trip, audio[0]))(audio[1], sound)
    ids = tokenizer.encode(sound, tokenizer.config.sample_rate)
    sure = np.abs(latents).min(axis=-1) > 1e-4  # the class encodes hop by hop
    assert sure.mean() > 0.9
    np.testing.assert_array_equal(np.asarray(functional.ids(latents))[sure], ids[sure])
    np.testing.assert_allclose(np.clip(rebuilt, -1, 1), tokenizer.decode(functional.ids(latents)), atol=1e-4)


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_gradients_of_decode_are_finite_differences(kind, request):
    net, variables = request.getfixturevalue(kind)
    shape = (1, 2, 2, 2, net.config.bits) if kind == "video" else (1, 4, net.config.levels, net.config.bits)
    codes, step = random(*shape), {"video": 2e-3, "audio": 5e-4}[kind]
    towards = jax.tree.map(lambda leaf: random(*leaf.shape[::-1]).T, (variables, codes))

    def loss(variables: dict, codes: jax.Array) -> jax.Array:
        return jnp.log(jnp.mean(jnp.square(net.apply(variables, codes, method="decode"))))

    @jax.jit
    def both(variables: dict, codes: jax.Array) -> tuple[jax.Array, jax.Array]:
        gradients = jax.grad(loss, argnums=(0, 1))(variables, codes)
        slopes = jax.tree.map(lambda a, b: jnp.sum(a * b), gradients, towards)

        def at(shift: jax.Array) -> jax.Array:
            return loss(*jax.tree.map(lambda leaf, way: leaf + shift * way, (variables, codes), towards))

        # Of fourth order: the error of the plain difference is larger than that of float32.
        values = jax.lax.map(at, step * jnp.array([-2.0, -1.0, 1.0, 2.0]))
        return sum(jax.tree.leaves(slopes), jnp.zeros(())), values @ jnp.array([1.0, -8.0, 8.0, -1.0]) / (12 * step)

    told, measured = both(variables, codes)
    assert abs(measured) > 1e-2
    np.testing.assert_allclose(told, measured, rtol=1e-3)


def test_a_method_of_a_class_refuses_what_is_traced(tiny_sound_model):
    tokenizer, listener = tiny_sound_model.video_tokenizer, tiny_sound_model.audio_tokenizer
    ids = np.zeros((1, 1, 2, 2), np.int32)

    def gradient(cls: Any, own: Any, call: Any) -> Any:
        return jax.grad(lambda params: jnp.sum(call(cls(own.config, params)) * 1.0))(own.params)

    calls = {
        "a video": lambda: jax.jit(tokenizer.encode)(random(*FRAMES)),
        "codes": lambda: jax.jit(tokenizer.decode)(ids),
        "a sound": lambda: jax.vmap(lambda sound: listener.encode(sound, 2000))(random(*SAMPLES)),
        # Once all zeros, without a word.
        "a parameter": lambda: gradient(VideoTokenizer, tokenizer, lambda each: each.decode(ids)),
        "a parameter ": lambda: gradient(AudioTokenizer, listener, lambda each: each.decode(ids[0, 0])),
        "a parameter  ": lambda: gradient(VideoTokenizer, tokenizer, lambda each: each.encode(random(*FRAMES))),
    }
    for what, call in calls.items():
        with pytest.raises(reelm.RequestError, match=f"^{what.strip()} is traced by JAX.*reelm.functional"):
            call()


def test_bfloat16_is_a_float(tiny_sound_model):
    tokenizer, frames = tiny_sound_model.video_tokenizer, jnp.asarray(random(*FRAMES), jnp.bfloat16)
    np.testing.assert_array_equal(tokenizer.encode(frames), tokenizer.encode(np.asarray(frames, np.float32)))


def test_other_shapes_and_types_are_refused_in_a_line(video, audio):
    for (net, variables), method, x, right in (
        (video, "encode", np.zeros(FRAMES, np.uint8), "float"),
        (video, "encode", random(1, 4, 16, 16, 3), "nearest valid"),
        (video, "decode", np.zeros((1, 2, 2, 2), np.int32), "functional.codes"),
        (audio, "encode", random(1, 99, 1), "multiple of 50"),
        (audio, "decode", np.zeros((1, 2, 2), np.int32), "functional.codes"),
    ):
        with pytest.raises(reelm.RequestError, match=right):
            net.apply(variables, x, method=method)


def lm_functions(config: functional.LMConfig, params: dict, prefix: functional.Prefix, codes: functional.ClipCodes):
    """Return what the functions of the language model give for rows of a batch."""
    layout, unrolled = config.layout_of(codes, prefix), functional.unroll(params)
    of = config, params, prefix, codes
    states, nats = functional.hidden(*of, layers=1), functional.cross_entropy(*of)
    last, cache, fields = functional.prefill(config, unrolled, layout, prefix)

    def one(carry: tuple, index: jax.Array) -> tuple[tuple, jax.Array]:
        last, cache = carry
        here = jnp.full(last.shape[0], index)
        hidden, cache = functional.extend(config, unrolled, last[:, None], here, fields, cache)
        parts = jnp.stack([jnp.zeros_like(hidden[..., 0], jnp.int32)] * len(config.split("video")), axis=-1)
        found = functional.all_logits(config, unrolled, "video", hidden, parts)
        return (functional.embed_codes(config, unrolled, "video", parts, hidden.dtype)[:, 0], cache), found[0][:, 0]

    _, drawn = jax.lax.scan(one, (last, cache), jnp.arange(2))
    return states, functional.logits(*of), nats.video, nats.sound, jnp.moveaxis(drawn, 0, 1)


def lm_rows(model, rows: int = 2) -> tuple[functional.Prefix, functional.ClipCodes]:
    lm, rng = model.language_model(), np.random.default_rng(0)
    prefix = functional.prompt_prefix(lm.config, lm.text, ["a red seven moves"] * rows, rows=2, columns=2, fps=8)
    sound = rng.integers(0, 16, (rows, 25, lm.config.sound_levels)).astype(np.int32)
    video = rng.integers(0, 1024, (rows, 2, 2, 2)).astype(np.int32)
    return prefix, functional.ClipCodes(video=video, sound=sound)


@pytest.fixture(params=["video", "audio", "language model"], scope="module")
def function(request, tiny_sound_model):
    """(a function of parameters and rows, its parameters, its rows, what it returns), for each part of a model."""
    if request.param == "language model":
        lm, rows = tiny_sound_model.language_model(), lm_rows(tiny_sound_model)
        run, params = lambda params, rows: lm_functions(lm.config, params, *rows), lm.params
    else:
        net, params = request.getfixturevalue(request.param)
        run, rows = partial(round_trip, net), np.repeat(random(*(FRAMES, SAMPLES)[request.param == "audio"]), 2, 0)
    return run, params, rows, jax.eval_shape(run, params, rows)


def shapes_of(tree: Any) -> list:
    return [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]


# Whether an axis is cut is a matter of types: one device shows all that eight would.
@pytest.mark.parametrize("kind", [AxisType.Explicit, AxisType.Auto])
@pytest.mark.parametrize("entered", [False, True])
def test_rows_on_a_mesh_of_any_axes(function, kind, entered):
    run, params, rows, expected = function
    mesh = jax.make_mesh((1,), ("rows",), axis_types=(kind,))
    there = NamedSharding(mesh, PartitionSpec("rows"))
    placed = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=there), rows)
    cuts = set()

    def noted(params: dict, rows: Any) -> Any:
        found = run(params, rows)
        cuts.update(jax.typeof(leaf).sharding.spec[0] for leaf in jax.tree.leaves(found))
        return found

    with jax.set_mesh(mesh) if entered else nullcontext():
        assert shapes_of(jax.eval_shape(noted, params, placed)) == shapes_of(expected)
    assert kind == AxisType.Auto or cuts == {"rows"}


def test_transformations_of_jax(function):
    run, params, rows, expected = function

    def with_axis(tree: Any) -> list:
        return [((1, *shape), dtype) for shape, dtype in shapes_of(tree)]

    more = jax.tree.map(lambda leaf: leaf[None], rows)
    assert shapes_of(jax.eval_shape(jax.vmap(run, in_axes=(None, 0)), params, more)) == with_axis(expected)
    _, scanned = jax.eval_shape(lambda rows: jax.lax.scan(lambda none, row: (none, run(params, row)), 0, rows), more)
    assert shapes_of(scanned) == with_axis(expected)
    mesh = jax.make_mesh((1,), ("rows",), axis_types=(AxisType.Auto,))
    cut = PartitionSpec("rows")
    mapped = jax.shard_map(run, mesh=mesh, in_specs=(PartitionSpec(), cut), out_specs=cut)
    assert shapes_of(jax.eval_shape(jax.jit(mapped), params, rows)) == shapes_of(expected)


def test_gradients_in_bfloat16(video, audio, tiny_sound_model):
    for (net, variables), x in ((video, random(*FRAMES)), (audio, random(*SAMPLES))):
        narrow = dataclasses.replace(net, dtype=jnp.bfloat16)
        loss = lambda variables, x=x: jnp.sum(narrow.apply(variables, x)[0])  # noqa: B023, E731
        assert shapes_of(jax.eval_shape(jax.grad(loss), variables)) == shapes_of(variables)
        assert jax.eval_shape(lambda: narrow.apply(variables, x, method="encode")).dtype == jnp.float32  # noqa: B023
    lm, rows = tiny_sound_model.language_model(), lm_rows(tiny_sound_model)

    def nats(params: dict) -> jax.Array:
        return jnp.mean(functional.cross_entropy(lm.config, params, *rows, dtype=jnp.bfloat16).video)

    assert shapes_of(jax.eval_shape(jax.grad(nats), lm.params)) == shapes_of(lm.params)


def test_likelihood_is_the_score_of_a_clip(tiny_sound_model):
    lm, (prefix, codes) = tiny_sound_model.language_model(), lm_rows(tiny_sound_model, rows=1)
    codes = dataclasses.replace(codes, sound=lm.config.no_track(2)[None])
    clip = Clip(np.zeros((5, 16, 16, 3), np.uint8), 8.0, tokens={"video": np.asarray(codes.video[0])})

    @jax.jit
    def both(params, prefix, codes):
        logits = functional.logits(lm.config, params, prefix, codes)
        return functional.cross_entropy(lm.config, params, prefix, codes).video, logits

    nats, logits = both(lm.params, prefix, codes)
    score = tiny_sound_model.score(clip, "a red seven moves")
    np.testing.assert_allclose(-nats[0], score, rtol=1e-5)
    parts = functional.ids_to_sub_tokens(jnp.asarray(codes.video).reshape(1, -1), lm.config.code)
    logs = [jax.nn.log_softmax(each)[0, np.arange(8), parts[0, :, k]] for k, each in enumerate(logits.video)]
    np.testing.assert_allclose(np.sum(logs, axis=0).reshape(score.shape), score, rtol=1e-4)


def test_a_sampler_of_ones_own_draws_the_clip_of_its_seed(tiny_model):
    lm, words, seeds = tiny_model.language_model(), "a red seven moves", jnp.array([5, 9])
    config, params, split = lm.config, functional.unroll(lm.params), lm.config.split("video")
    layout, prefix = (
        config.layout(2, 2, 3),
        functional.prompt_prefix(config, lm.text, [words], rows=2, columns=3, fps=8),
    )
    sampling = functional.SamplingParams.of(2)

    @jax.jit
    def sample(params: dict, prefix: functional.Prefix, seeds: jax.Array) -> jax.Array:
        last, cache, fields = jax.tree.map(
            lambda leaf: jnp.repeat(leaf, len(seeds), axis=0), functional.prefill(config, params, layout, prefix)
        )
        keys = functional.keys_of(seeds)

        def one(carry: tuple, position: jax.Array) -> tuple[tuple, jax.Array]:
            last, cache = carry
            here = jnp.full(len(seeds), position)
            hidden, cache = functional.extend(config, params, last[:, None], here, fields, cache)
            noise, parts = functional.noise_of(keys, here[:, None], split), jnp.zeros((2, 1, len(split)), jnp.int32)
            for k in range(len(split)):
                logits = functional.all_logits(config, params, "video", hidden, parts)[k]
                parts = parts.at[..., k].set(functional.choose(logits, noise[k], sampling))
            last = functional.embed_codes(config, params, "video", parts, hidden.dtype)[:, 0]
            return (last, cache), functional.sub_tokens_to_ids(parts, config.code)[:, 0]

        _, ids = jax.lax.scan(one, (last, cache), jnp.arange(layout.codes))
        return ids.T.reshape(-1, layout.frames, layout.rows, layout.columns)

    for ids, seed in zip(sample(params, prefix, seeds), (5, 9), strict=True):
        np.testing.assert_array_equal(ids, tiny_model.generate(words, num_frames=5, seed=seed).tokens["video"])


def test_words_of_a_text_encoder_are_read_outside_of_programs(tiny_model):
    """Parameters that were read from a file are arrays of NumPy."""
    config = dataclasses.replace(tiny_model.lm.config, text_vocabulary=1, text_width=6)
    params = random_params(transformer.init_params, config)
    words = functional.prompt_prefix(config, tiny_model.lm.text, [""], rows=2, columns=2, fps=8)
    prefix = functional.Prefix.of_words(words.words, 2, 2, random(1, config.text_slots, 6))
    assert embed.embed_prefix(config, params, prefix, jnp.float32).shape == (1, config.prefix, config.width)


def test_names_are_public_and_say_what_they_are():
    assert "functional" in dir(reelm) and reelm.functional is functional
    assert not [name for name in functional.__all__ if not inspect.getdoc(getattr(functional, name))]


@pytest.mark.long  # with the model that ships
@pytest.mark.slow
def test_the_examples_of_the_page_run():
    text = (Path(__file__).parents[2] / "docs" / "jax.md").read_text()
    names: dict[str, Any] = {"__name__": "docs_jax"}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/jax.md", "exec"), names)
    assert names["picture"].shape == (1, 1, 16, 16, 3)
    assert np.isfinite(names["value"]) and names["nats"].video.shape == (1, 2, 2, 2)


def test_the_tokenizers_and_the_language_model_of_a_folder(tiny_sound_model, tmp_path):
    tiny_sound_model.save(tmp_path / "model")
    net, variables = functional.video_tokenizer(str(tmp_path / "model"), dtype=jnp.bfloat16)
    assert net.config == tiny_sound_model.video_tokenizer.config and net.dtype == jnp.bfloat16
    assert isinstance(variables["params"]["decoder"]["pixels"]["bias"], jax.Array)
    assert functional.audio_tokenizer(str(tmp_path / "model"))[0].config == tiny_sound_model.audio_tokenizer.config
    config, params, text = functional.language_model(str(tmp_path / "model"))
    assert config == tiny_sound_model.lm.config and text.count("a red seven") > 0
    assert shapes_of(params) == shapes_of(tiny_sound_model.lm.params)
