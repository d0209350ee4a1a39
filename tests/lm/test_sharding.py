"""The language model over eight devices: what one device computes, decodes and saves, eight do, whatever the mesh.

Run as a program this file is the part that needs eight devices, which must be asked for before JAX starts.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from made.parameters import random_params

import reelm
from reelm.lm import sharding
from reelm.lm.layout import Layout
from reelm.lm.mesh import MeshSpec
from reelm.lm.net.attention import attend
from reelm.lm.net.config import LMConfig, Remat
from reelm.lm.net.fused_attention import PrefixAttention
from reelm.lm.net.transformer import init_params
from reelm.lm.parameters import for_decoding
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.specials import FILLER, SPECIALS
from reelm.sampling.decoding.choose import SamplingParams
from reelm.sampling.decoding.prefill import Prefill
from reelm.sampling.decoding.program import FrameProgram
from reelm.train.lm.config import LMRun
from reelm.train.lm.loss import make_loss
from reelm.train.lm.run import check_batches, objective_of
from reelm.train.run.checkpoints import Checkpoints
from reelm.train.step import feed
from reelm.train.step.update import value_and_gradient

MESHES = ("data=2,fsdp=2,tensor=2", "tensor=4,sequence=2")
RUN = LMRun(
    model=LMConfig(
        bits=10,
        text_vocabulary=1,
        text_width=12,
        prefix=6,
        frames=3,
        width=32,
        layers=2,
        heads=8,
        kv_heads=4,
        head_width=16,
        hidden=48,
        sound_levels=2,
        sound_bits=4,
        sound_frames=(2, 4),
        sound_hidden=24,
    ),
)


def make_batch() -> dict:
    rng = np.random.default_rng(1)
    video = rng.integers(0, 1024, (8, 2, 2, 3)).astype(np.int32)
    sound = rng.integers(0, 16, (8, 2 + 4, 2)).astype(np.int32)
    return {"prefix": make_prefix(8), "codes": ClipCodes(video=video, sound=sound)}


def make_prefix(rows: int) -> Prefix:
    """Words with embeddings, one of each row a filler."""
    rng = np.random.default_rng(2)
    words = rng.integers(1, 256, (rows, 6)).astype(np.int32)
    words[:, 4:] = SPECIALS, FILLER
    return Prefix.of_words(words, 2, 3, rng.normal(size=(rows, 2, 12)).astype(np.float32))


def gradients() -> None:
    """One device's loss and gradients, on each mesh, whatever a layer keeps and in however many parts a batch goes."""
    params, batch = random_params(init_params, RUN.model, noise=0.1), make_batch()
    key = jax.random.key(0)
    expected, gradient = jax.jit(partial(value_and_gradient, make_loss(RUN)))(params, batch, key, jnp.int32(0))
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(gradient))
    assert largest > 1e-2
    runs: list[tuple[str, Remat, int]] = [
        ("data=2,fsdp=2,tensor=2", "dots", 2),
        ("fsdp=8", "none", 4),
        ("tensor=4,sequence=2", "full", 1),
    ]
    for words, remat, accumulate in runs:
        mesh = MeshSpec.parse(words).build()
        layout = sharding.of_state(params, mesh)
        of = jax.jit(partial(value_and_gradient, make_loss(replace(RUN, remat=remat)), accumulate=accumulate))
        with jax.set_mesh(mesh):
            placed = jax.device_put(params, layout), jax.device_put(batch, sharding.of_batch(mesh))
            program = of.lower(*placed, key, jnp.int32(0)).compile()
            found, theirs = program(*placed, key, jnp.int32(0))
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
        close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5 * largest, err_msg=f"{words} {remat}")
        jax.tree.map(close, jax.device_get(theirs), jax.device_get(gradient))
        if "sequence" in words and remat == "full":
            # Of the stream's 23 slots, kept for each of two layers and eight rows, a device holds 12.
            text = program.as_text() or ""
            assert "f32[2,8,12,32]" in text and "f32[2,8,23,32]" not in text


def splash() -> None:
    """Attention and its gradients by the Splash kernel on a mesh, each device with its clips and heads."""
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel

    make = splash_attention_kernel.make_splash_mha
    splash_attention_kernel.make_splash_mha = partial(make, interpret=True)
    layout = Layout(prefix=9, frames=2, rows=2, columns=3, given_pictures=1)
    keys = jax.random.split(jax.random.key(0), 3)
    heads = [jax.random.normal(key, (2, layout.slots, n, 128)) for key, n in zip(keys, (4, 2, 2), strict=True)]

    def results(attention, heads):
        value = lambda *heads: (jnp.sum(jnp.sin(y := attention(*heads))), y)  # noqa: E731
        return jax.jit(jax.value_and_grad(value, argnums=(0, 1, 2), has_aux=True))(*heads)

    expected = results(partial(attend, mask=jnp.asarray(layout.mask)), heads)
    mesh = MeshSpec.parse("data=2,tensor=2").build(jax.devices()[:4])
    cut = NamedSharding(mesh, PartitionSpec("data", None, "tensor", None))
    with jax.set_mesh(mesh):
        found = results(PrefixAttention(layout.before, "splash"), jax.device_put(heads, cut))
    assert found[0][1].sharding.shard_shape(found[0][1].shape) == (1, layout.slots, 2, 128)
    close = partial(np.testing.assert_allclose, atol=1e-4)
    jax.tree.map(close, jax.device_get(found), jax.device_get(expected))


def steps() -> None:
    """A state made in shards; a step of it; its checkpoint, read on another mesh and on one device, and back."""
    run = replace(RUN, mesh=MeshSpec.parse(MESHES[0]))
    mesh = run.mesh.build()
    state, step = objective_of(run).build(mesh)
    layout = jax.tree.map(lambda leaf: leaf.sharding, state)
    kernel = state.params["layers"]["attention"]["qkv"]["kernel"]
    assert kernel.addressable_shards[0].data.shape == (2, 32 // 4, 8 * 16 + 2 * 4 * 16), kernel.sharding
    alone, _ = objective_of(RUN).build(MeshSpec().build(jax.devices()[:1]))
    layout_alone = jax.tree.map(lambda leaf: leaf.sharding, alone)
    # The same draws wherever they lie; they may be rounded otherwise.
    close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7)
    jax.tree.map(close, jax.device_get(state.params), jax.device_get(alone.params))
    state, metrics = step(state, feed.place(make_batch(), mesh))
    assert metrics["skipped"] == 0 and int(state.step) == 1
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: a.sharding == b, state, layout)))
    layout_other = sharding.of_state(alone, MeshSpec.parse(MESHES[1]).build())

    def elsewhere(layout: Any) -> Any:
        return jax.tree.map(lambda a, b: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=b), alone, layout)

    for saved, layouts in ((state, (layout_other, layout_alone)), (alone, (layout,))):
        with tempfile.TemporaryDirectory() as folder:
            store = Checkpoints(Path(folder), keep=1, note=print)
            store.open(0)
            store.save(1, saved, {}, {})
            store.close()
            found = store.newest()
            assert found is not None
            for other in layouts:
                restored, _ = store.load(found, elsewhere(other))
                jax.tree.map(np.testing.assert_array_equal, jax.device_get(restored), jax.device_get(saved))
                assert all(jax.tree.leaves(jax.tree.map(lambda a, b: a.sharding == b, restored, other)))


COMPILED: list[str] = []  # the functions of which programs were compiled


def note_compiled(event: str, duration_secs: float, **of: Any) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        COMPILED.append(of["fun_name"])


def ids() -> None:
    """The codes of one device, decoded by eight with guidance."""
    jax.monitoring.register_event_duration_secs_listener(note_compiled)
    config, layout = RUN.model, RUN.model.layout(2, 2, 3)
    one = MeshSpec().build(jax.devices()[:1])
    params = random_params(init_params, RUN.model, noise=0.1)
    prefix = make_prefix(2)
    keys = jax.vmap(jax.random.key)(jnp.arange(2, dtype=jnp.uint32))

    def decode(mesh, window: int = 2) -> np.ndarray:
        ready = for_decoding(config, params, "float32", mesh)
        rows = Prefix.concatenate([prefix, prefix])
        found = []
        COMPILED.clear()
        for temperature in (1.0, 0.5):
            sampling = SamplingParams.of(2, temperature=temperature, cfg_scale=[2.0])
            with jax.set_mesh(mesh or one):
                prefill = Prefill(config, layout, layout.slots, window, True, jnp.float32)
                state = prefill.start(ready, rows, 0, keys, None)
                for i in range(layout.frames):
                    picture = FrameProgram(config, layout, layout.frames, "video", window)
                    track = FrameProgram(config, layout, layout.frames, "sound", window)
                    size = layout.sound_of(i)
                    frame, _, state = picture.draw(ready, state, np.full(2, layout.per_picture, np.int32), sampling)
                    sound, _, state = track.draw(ready, state, np.full(2, size, np.int32), sampling)
                    found.append(np.concatenate([np.ravel(frame), np.ravel(sound[:, :size])]))
        # A program to begin, one for all pictures and one for all sound; none for another temperature.
        ours = [name for name in COMPILED if name in ("jit(start)", "jit(draw_program)")]
        assert ours == ["jit(start)", "jit(draw_program)", "jit(draw_program)"]
        if mesh is not None:
            columns = ready["layers"][0]["mlp"]["gate_up"]["kernel"].addressable_shards[0].data.shape[1]
            assert columns == 2 * config.hidden // mesh.shape["tensor"]
            heads = state.cache[0].keys.addressable_shards[0].data.shape[2]
            assert heads == config.kv_heads // mesh.shape["tensor"], state.cache[0].keys.sharding
        return np.concatenate(found)

    expected = decode(None)
    assert len(np.unique(expected)) > 3
    np.testing.assert_array_equal(decode(MeshSpec.parse("tensor=4,fsdp=2").build()), expected)


def clips(folder: str) -> None:
    """The clip that a model makes on one device, made on eight, of int8 weights."""
    found = []
    for mesh in (None, "tensor=2,data=4"):
        model = reelm.load(folder, dtype="int8", mesh=mesh)
        found.append(model.generate("a red seven moves", seed=3, temperature=5.0).tokens)
        if mesh is not None:
            shard = model.language_model().decoding_params["layers"][0]["mlp"]["down"]["kernel"].addressable_shards[0]
            assert shard.data.shape == (16, 32) and shard.data.dtype == jnp.int8
    assert len(np.unique(found[0]["video"])) > 3
    np.testing.assert_array_equal(*(tokens["video"] for tokens in found))


if __name__ == "__main__":
    parts = {"gradients": gradients, "splash": splash, "steps": steps, "ids": ids, "clips": clips}
    parts[sys.argv[1]](*sys.argv[2:])
    sys.exit()

import pytest  # noqa: E402  (the program above runs without it)

from reelm.errors import RequestError  # noqa: E402
from reelm.lm.parameters import check_mesh  # noqa: E402


def run_part(*arguments: str | Path) -> None:
    # What is compiled here runs once, so it is not worth optimizing.
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    flags += " --xla_llvm_disable_expensive_passes=true"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    found = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(found)
    ran = subprocess.run([sys.executable, Path(__file__), *arguments], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("part", ["gradients", "splash", "steps", "ids"])
def test_on_eight_devices(part):
    run_part(part)


@pytest.mark.long
@pytest.mark.slow
def test_a_clip_of_eight_devices_is_that_of_one(tiny_model, tmp_path):
    # One key-value head cannot be cut: a second one with the columns of the first in the other order.
    lm = tiny_model.lm
    attention = lm.params["layers"]["attention"]
    query, key, value = np.split(attention["qkv"]["kernel"], [32, 48], axis=-1)
    kernel = np.concatenate([query, key, key[..., ::-1], value, value[..., ::-1]], axis=-1)
    layers = lm.params["layers"] | {"attention": attention | {"qkv": {"kernel": kernel}}}
    lm = replace(lm, config=replace(lm.config, kv_heads=2), params=lm.params | {"layers": layers})
    replace(tiny_model, lm=lm).save(tmp_path)
    run_part("clips", tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("tensor=8", "mesh axis tensor is 8; it must divide kv_heads 4 and hidden 48 and sound_hidden 24: 1, 2, 4$"),
        ("fsdp=12,tensor=2", "fsdp x tensor is 24; it must divide width 32: 1, 2, 4, 8, 16, 32$"),
    ],
)
def test_a_mesh_that_does_not_divide_the_net_names_the_axis_and_the_legal_sizes(words, message):
    spec = MeshSpec.parse(words)
    with pytest.raises(RequestError, match=message):
        check_mesh(RUN.model, spec.sizes(max(spec.fsdp * spec.tensor, 8)))


def test_a_batch_that_does_not_divide_over_the_mesh_is_refused():
    with pytest.raises(
        RequestError,
        match=r"a batch of 16 clips .* over 8 devices \(data x fsdp\) and 3 to accumulate; --batch-scale 1.5 makes",
    ):
        check_batches(replace(RUN, accumulate=3), 8)
