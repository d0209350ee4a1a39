"""The large presets become programs for accelerators that are not here: lowered, and partitioned, from shapes alone.

Run as a program this file is the part that needs eight devices, which must be asked for before JAX starts.
"""

import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np

from reelm import configs
from reelm.lm import sharding
from reelm.lm.layout import Layout
from reelm.lm.mesh import MeshSpec
from reelm.lm.net.config import LMConfig
from reelm.lm.net.transformer import init_params
from reelm.lm.parameters import NumberFormat, arrange, narrowed, unroll
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.specials import Group
from reelm.sampling.decoding.choose import SamplingParams
from reelm.sampling.decoding.prefill import Prefill
from reelm.sampling.decoding.program import FrameProgram
from reelm.sampling.decoding.state import DecodeState
from reelm.train.lm.config import LMRun
from reelm.train.lm.run import objective_of

GRID = 16, 16


def shaped(shape: tuple[int, ...], dtype: Any = jnp.int32) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)


def make_prefix(config: LMConfig, rows: int) -> Prefix:
    words = np.zeros((rows, config.prefix), np.int32)
    text = np.zeros((rows, config.text_slots if config.text_width else 0, config.text_width), np.float32)
    return jax.tree.map(lambda leaf: shaped(leaf.shape, leaf.dtype), Prefix.of_words(words, *GRID, text))


def make_codes(config: LMConfig, samples: int, frames: int) -> ClipCodes:
    layout = config.layout(frames, *GRID)
    sound = layout.codes - frames * layout.per_picture
    return ClipCodes(video=shaped((samples, frames, *GRID)), sound=shaped((samples, sound, config.sound_levels)))


def train_arguments(run: LMRun, samples: int, frames: int) -> tuple[Any, Any]:
    """Shapes of a state and a batch."""
    made = jax.eval_shape(objective_of(run).create, {})
    return made, {"prefix": make_prefix(run.model, samples), "codes": make_codes(run.model, samples, frames)}


def train_step(run: LMRun, layout: Any = None) -> Any:
    return objective_of(run).make_step(layout)


def decoding_params(config: LMConfig, weights: NumberFormat, shards: int = 1) -> Any:
    return jax.eval_shape(
        lambda: narrowed(arrange(config, unroll(init_params(config, jax.random.key(0))), shards), weights)
    )


def decode_arguments(config: LMConfig, clips: int) -> tuple[Layout, DecodeState, SamplingParams]:
    """Shapes of the decoding of guided clips."""
    layout = config.layout(config.frames, *GRID)
    sampling = jax.eval_shape(lambda: SamplingParams.of(clips, cfg_scale=[2.0] * config.frames))
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), clips))
    prefill = Prefill(config, layout, layout.slots, 1, True, jnp.bfloat16)
    params = decoding_params(config, "bfloat16")
    made = jax.eval_shape(prefill.start, params, make_prefix(config, 2 * clips), shaped(()), keys, None)
    return layout, made, sampling


def drawing(config: LMConfig, layout: Layout, group: Group) -> Any:
    """The jitted drawing of a group's codes, one by one, as a function of params, state and sampling."""
    size = layout.per_picture if group == "video" else layout.sound_of(1)
    program = FrameProgram(config, layout, layout.frames, group)

    def draw(params: Any, state: DecodeState, sampling: SamplingParams) -> Any:
        return program.draw(params, state, np.full(len(state.keys), size, np.int32), sampling)

    return jax.jit(draw, donate_argnames="state")


def largest(program: str, kind: str = "") -> int:
    """Elements of the largest array, alone or in a tuple, that an instruction of a kind makes."""
    made = (found.groups() for found in re.finditer(r" = (.+?) ([\w-]+)\(", program))
    shapes = (shape for types, name in made if re.search(kind, name) for shape in re.findall(r"\[([\d,]*)\]", types))
    return max((math.prod(map(int, filter(None, shape.split(",")))) for shape in shapes), default=0)


def decoding_is_cut() -> None:
    """Of two layers of the 8b net over eight devices: weights and cache are cut, and what is sent are activations."""
    config = replace(configs.get("lm", "8b").model, layers=2)
    mesh = MeshSpec.parse("tensor=8").build()
    layout, made, sampling = decode_arguments(config, 1)
    with jax.set_mesh(mesh):
        params = decoding_params(config, "bfloat16", 8)
        placed = on(params, sharding.of_state(params, mesh, sharding.RULES_IN_USE))
        of_cache = jax.NamedSharding(mesh, jax.P(None, None, "tensor", None))
        whole = sharding.whole(mesh)
        of_state = replace(jax.tree.map(lambda _: whole, made), cache=jax.tree.map(lambda _: of_cache, made.cache))
        made = on(made, of_state)
        sampling = on(sampling, jax.tree.map(lambda _: whole, sampling))
        compiled = drawing(config, layout, "video").lower(params=placed, state=made, sampling=sampling).compile()
    assert_cut(placed)
    program = str(compiled.as_text())
    shard = config.width * 2 * config.hidden // 8
    assert shard <= largest(program) <= shard * 1.01, largest(program)
    assert "all-reduce" in program and largest(program, "all-gather|all-to-all|permute") < 4 * config.width
    cached = compiled.output_shardings[2].cache[0].keys
    assert cached.shard_shape((2, layout.slots, 8, 128)) == (2, layout.slots, 1, 128), cached


def training_is_cut() -> None:
    """Of two layers of the 8b net over eight devices: no device holds a whole matrix, nor both layers gathered."""
    run = replace(configs.get("lm", "8b"), accumulate=1, attention="xla")
    # Slightly wider, so that no part of a matrix has the shape of another one whole.
    run = replace(run, model=replace(run.model, layers=2, hidden=12800), mesh=MeshSpec.parse("fsdp=2,tensor=4"))
    config, mesh = run.model, run.mesh.build()
    made, batch = train_arguments(run, 4, 1)
    layout = sharding.of_state(made, mesh)
    with jax.set_mesh(mesh):
        placed = on(made, layout), on(batch, jax.tree.map(lambda _: sharding.of_batch(mesh), batch))
        compiled = train_step(run, layout).lower(*placed).compile()
    assert_cut(placed[0])
    # Gathered over fsdp, a device has its quarter of one layer's widest matrix, or of the table of words.
    part = max(config.width * 2 * config.hidden, made.params["prefix"]["embedding"].size) // 4
    program = str(compiled.as_text())
    assert largest(program) <= part, (largest(program), part)
    whole = {leaf.shape[-2:] for leaf in jax.tree.leaves(made.params) if leaf.size > 5e6}
    assert len(whole) == 6
    for inputs, outputs in whole:
        assert not re.search(rf"\[([12],)?{inputs},{outputs}\]", program), (inputs, outputs)


def assert_cut(placed: Any) -> None:
    """Every matrix lies in eight parts."""
    for leaf in jax.tree.leaves(placed):
        if leaf.size > 1e6:
            assert math.prod(leaf.sharding.shard_shape(leaf.shape)) == leaf.size // 8, (leaf.shape, leaf.sharding)


def on(shapes: Any, layout: Any) -> Any:
    return jax.tree.map(
        lambda leaf, where: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where), shapes, layout
    )


if __name__ == "__main__":
    {"decoding": decoding_is_cut, "training": training_is_cut}[sys.argv[1]]()
    sys.exit()

import pytest  # noqa: E402  (the program above runs without it)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("part", ["decoding", "training"])
def test_on_eight_devices(part):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run([sys.executable, Path(__file__), part], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]


@pytest.mark.long
@pytest.mark.slow
def test_a_training_step_becomes_a_program_for_cuda_and_tpu():
    run = replace(configs.get("lm", "8b"), attention="xla")
    traced = train_step(run).trace(*train_arguments(run, 8, run.model.frames))
    for platform in ("cuda", "tpu"):
        assert "stablehlo.while" in traced.lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.slow
@pytest.mark.parametrize("weights", [pytest.param("bfloat16", marks=pytest.mark.long), "int8"])
def test_decoding_becomes_a_program_for_cuda_and_tpu(weights):
    config = replace(configs.get("lm", "8b").model, layers=3)  # each is lowered like the others
    layout, made, sampling = decode_arguments(config, 1)
    params = decoding_params(config, weights)
    kind = {"bfloat16": "bf16", "int8": "i8"}[weights]
    for group in get_args(Group):
        traced = drawing(config, layout, group).trace(params=params, state=made, sampling=sampling)
        for platform in ("cuda", "tpu"):
            text = traced.lower(lowering_platforms=(platform,)).as_text()
            # Every matrix goes into the program in the format it is to be read in.
            assert text.count(f"tensor<{config.hidden}x{config.width}x{kind}>") >= config.layers


def test_the_largest_array_is_looked_for_in_tuples_too():
    program = """
      %add = f32[2,3]{1,0} add(%a, %b)
      %gathered = (f32[4]{0}, /*index=1*/bf16[7,5]{1,0}) all-gather(%a, %add), dimensions={0}
      ROOT %sum = f32[6]{0} fusion(%gathered), metadata={op_name="jit(f)/g"}
    """
    assert largest(program) == largest(program, "all-gather") == 35
    assert largest(program, "add|fusion") == 6
