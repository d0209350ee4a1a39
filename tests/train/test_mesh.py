"""Training over devices: eight give the gradients that one gives, and the paper's tokenizer is laid out on them.

Run as a program this file is the part that needs eight devices, which must be asked for before JAX starts.
"""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from reelm import configs
from reelm.errors import RequestError
from reelm.evaluation.features import lpips
from reelm.lm import sharding
from reelm.lm.mesh import MeshSpec
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import init_params
from reelm.train.tokenizers.video import objective_of
from reelm.train.tokenizers.video_config import ClipData, LossWeights, VideoDiscriminatorConfig, VideoTokenizerRun
from reelm.train.tokenizers.video_losses import make_loss

RUN = VideoTokenizerRun(
    model=VideoTokenizerConfig(
        bits=8, encoder_channels=(8,), decoder_channels=(8,), encoder_blocks=1, decoder_blocks=1
    ),
    data=ClipData(frames=5, crop=16),
    losses=LossWeights(batch_entropy=1.0),
    batch_size=8,
)


def gradients_of_eight_equal_those_of_one() -> None:
    params = init_params(RUN.model, jax.random.key(0))
    # Every clip of another brightness, so that a mean over one device's clips alone would show in the batch entropy.
    video = jax.random.uniform(jax.random.key(1), (8, 5, 16, 16, 3)) * jnp.linspace(-1, 1, 8)[:, None, None, None, None]
    loss = make_loss(RUN)
    gradient = jax.jit(jax.grad(lambda p, video: loss(p, {"clips": video}, jax.random.key(2), jnp.int32(0))[0]))
    one = gradient(*jax.device_put((params, video), jax.devices()[0]))
    mesh = MeshSpec(data=4, fsdp=2).build()
    layout = sharding.of_state({"params": params}, mesh)["params"]
    kernel = layout["decoder"]["block_0_0"]["conv_in"]["kernel"]
    assert kernel.spec == PartitionSpec(None, None, None, "fsdp", None), kernel
    eight = gradient(jax.device_put(params, layout), jax.device_put(video, sharding.of_batch(mesh)))
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(one))
    assert largest > 1e-2
    close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5 * largest)
    jax.tree.map(close, jax.device_get(eight), jax.device_get(one))


def magvit2_is_compiled() -> None:
    """The step of `magvit2` at its greatest widths, with two stages of one block each, on a few small clips."""
    run = configs.get("video-tokenizer", "magvit2")
    assert run.adversary is not None
    widths: Any = {"encoder_channels": (256, 512), "decoder_channels": (256, 512), "strides": ((2, 2),)}
    net = VideoDiscriminatorConfig(channels=run.adversary.net.channels[-2:], halve_time=(False,))
    run = replace(
        run,
        model=replace(run.model, **widths, encoder_blocks=1, decoder_blocks=1),
        adversary=replace(run.adversary, net=net),
        data=replace(run.data, frames=3, crop=16, stills=0),
        batch_size=8,
    )
    mesh, objective = MeshSpec(fsdp=8).build(), objective_of(run)
    shapes = jax.eval_shape(objective.create, objective.start)
    layout = sharding.of_state(shapes, mesh)

    def on(shape: tuple[int, ...], where) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, jnp.float32, sharding=where)

    whole, cut = sharding.whole(mesh), sharding.of_batch(mesh)
    features, channels = {}, 3
    for block, widths in enumerate(lpips.WIDTHS):
        features[f"block_{block}"] = {}
        for layer, width in enumerate(widths):
            conv = {"kernel": on((3, 3, channels, width), whole), "bias": on((width,), whole)}
            features[f"block_{block}"][f"conv_{layer}"], channels = conv, width
        features[f"head_{block}"] = on((channels,), whole)
    parts = {"clips": on((8, 3, 16, 16, 3), cut)}
    placed = jax.tree.map(
        lambda leaf, where: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where), shapes, layout
    )
    step: Any = objective.make_step(layout)
    compiled = step.lower(placed, (parts, features)).compile()
    taken, made = compiled.input_shardings[0][0], compiled.output_shardings[0]
    for shardings in (taken, made):
        jax.tree.map(check_cut, shapes, shardings)
    size = lambda tree: sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))  # noqa: E731
    held = compiled.memory_analysis()
    # Of the state an eighth and what cannot be cut; LPIPS whole, which the compiler may leave out in part; one clip.
    assert held.argument_size_in_bytes < 1.1 * size(shapes) / 8 + size(features) + 1e5
    assert held.output_size_in_bytes < 1.1 * size(shapes) / 8 + 1e5


def check_cut(leaf: jax.ShapeDtypeStruct, where: Any) -> None:
    """Each of eight devices holds an eighth of every large kernel; the decoder's first, of 18 inputs, is whole."""
    if leaf.size > 100_000 and leaf.shape[-2] % 8 == 0:
        assert 8 * np.prod(where.shard_shape(leaf.shape)) == leaf.size, (leaf.shape, where)


if __name__ == "__main__":
    {"gradients": gradients_of_eight_equal_those_of_one, "magvit2": magvit2_is_compiled}[sys.argv[1]]()
    sys.exit()

import pytest  # noqa: E402  (the program above runs without it)


def test_magvit2_is_of_the_size_of_the_paper():
    objective = objective_of(configs.get("video-tokenizer", "magvit2"))
    shapes = jax.eval_shape(objective.create, objective.start).params
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    assert 190e6 < count < 210e6, count


@pytest.mark.slow
@pytest.mark.parametrize("part", ["gradients", pytest.param("magvit2", marks=pytest.mark.long)])
def test_on_eight_devices(part):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run([sys.executable, Path(__file__), part], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]


@pytest.mark.parametrize(
    ("words", "devices", "message"),
    [
        ("data=3", 8, "data can be 8"),
        ("fsdp=3,data=-1", 8, "fsdp can be 1, 2, 4, 8"),
        ("data=2,tensor=2", 8, "does not fit 8 devices; data can be 4"),
        ("tensor=16", 8, "tensor can be 1, 2, 4, 8"),
        ("data=-1,fsdp=-1", 8, "one may be -1"),
        ("fsdp=0", 8, "fsdp=0"),
        ("model=2", 8, "axes are data, fsdp, tensor, sequence"),
        ("fsdp", 8, "AXIS=NUMBER"),
    ],
)
def test_a_mesh_that_does_not_fit_names_the_axis_and_what_would(words, devices, message):
    with pytest.raises(RequestError, match=message) as error:
        MeshSpec.parse(words).sizes(devices)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        ("", (8, 1, 1, 1)),
        ("fsdp=4", (2, 4, 1, 1)),
        ("data=2,fsdp=4", (2, 4, 1, 1)),
        ("tensor=-1", (1, 1, 8, 1)),
        ("sequence=2, tensor=4", (1, 1, 4, 2)),
    ],
)
def test_a_mesh_in_words(words, sizes):
    assert tuple(MeshSpec.parse(words).sizes(8).values()) == sizes


def test_a_leaf_that_no_rule_names_is_an_error():
    with pytest.raises(LookupError, match="no sharding rule matches tables/words"):
        sharding.of_state({"tables": {"words": jnp.zeros(3)}}, MeshSpec().build())
