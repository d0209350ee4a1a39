"""Training the language model: token sets in, a trained Transformer and what reads its words out.

`reelm train lm CONFIG --workdir DIR` ends here. A step reads a batch of clips of one length and descends on the cross
entropy of their codes, with a small penalty on the logits' scale (z-loss, PaLM, arXiv 2204.02311, section 5).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from reelm.data.tokens.mixture import Bucket, Stage, mixture
from reelm.data.tokens.read import Captions, TokenSource, check_sound, open_all
from reelm.errors import RequestError
from reelm.lm import sharding
from reelm.lm.likelihood import cross_entropy
from reelm.lm.mesh import MeshSpec
from reelm.lm.net.config import LMConfig
from reelm.lm.net.fused_attention import Kernel, kernel_for
from reelm.lm.net.transformer import Remat, init_params
from reelm.lm.parameters import check_mesh, for_training
from reelm.lm.prefix import ClipCodes
from reelm.media.contact_sheet import contact_sheet
from reelm.sampling.model import Model
from reelm.sampling.parts import Defaults, LanguageModel
from reelm.tokenizer import device_memory
from reelm.tokenizer.codes import bits_to_ids
from reelm.tokenizer.text.encoder import Text
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.train.parts import check_encoder, open_audio_tokenizer, open_start, open_tokenizer
from reelm.train.run import loop
from reelm.train.run.loop import LoopConfig
from reelm.train.run.throughput import Load
from reelm.train.step import feed, state
from reelm.train.step.feed import Feed
from reelm.train.step.memory import check_state
from reelm.train.step.optimizer import OptimizerConfig
from reelm.train.step.state import TrainState
from reelm.train.step.update import make_step

from .captions import embed, open_text, text_tokenizer
from .samples import ToSample

_EVALUATION_BATCHES = 16
_SAMPLES = 4  # clips made at a time while training, of the first captions that a prompt can hold


@dataclass(frozen=True, kw_only=True)
class LMRun:
    """Everything that decides a run; `reelm train lm` overrides any field by its dotted name."""

    model: LMConfig = field(default_factory=LMConfig)
    """Sizes of the language model."""
    tokens: tuple[Path, ...] = (Path("tokens"),)
    """Token sets from `reelm data tokenize`, all made with one tokenizer. A model with sound needs codes of sound."""
    held_out: tuple[Path, ...] = ()
    """Token sets of clips outside the training, for evaluations."""
    captions: Captions = "all"
    """Captions of a clip that are read: any one of "all", or always the "first", for a model with a thesaurus."""
    video_tokenizer: Path | None = None
    """Video tokenizer that made the tokens, to decode samples during training. Default: no samples."""
    audio_tokenizer: Path | None = None
    """Audio tokenizer that made the tokens, to decode samples with sound. Default: silent samples."""
    text_encoder: Path | None = None
    """Folder of the frozen text encoder, for a model with a `text_width`. Default: a text tokenizer trained on the
    captions."""
    stages: tuple[Stage, ...] = (Stage(),)
    """Stages of the run. Images first teach what things look like at a fraction of the cost of clips."""
    drop_text: float = 0.1
    """Share of samples without words, which guidance needs. A bucket can set its own share."""
    sound_decay: float = 1.0
    """Weight of each level of sound in the loss, relative to the level before. Below 1 the coarse levels count more."""
    corrupt: float = 0.0
    """Largest share of codes with wrong bits in the input, so that the model learns to recover from errors. Each sample
    draws its share from 0 to this."""
    start_from: Path | None = None
    """Language model to start from: workdir of a training, model folder or shipped model. Default: fresh weights."""
    z_loss: float = 1e-4
    """Weight of the squared log-normaliser."""
    dtype: str = "float32"
    """Number format of activations. Parameters are float32."""
    attention: Literal["auto"] | Kernel = "auto"
    """Attention kernel of the training step. "auto" takes the fused kernel of the device where there is one."""
    remat: Remat = "full"
    """Activations that a layer keeps for the backward pass: "full" recomputes all, "dots" keeps matmul results, "none"
    keeps all."""
    accumulate: int = 1
    """Parts that a batch is split into to save memory. Gradients are summed."""
    mesh: MeshSpec = field(default_factory=MeshSpec)
    """Devices of the run, as in `--mesh data=2,fsdp=4`."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Optimizer of the language model."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=10_000))
    """Length of the run and its reports."""


def make_loss(run: LMRun):
    """`(params, batch, key, step) -> (loss, metrics)`; losses in nats a code, that of the first latent frame apart."""
    dtype = jnp.dtype(run.dtype)
    kernel = run.attention
    if kernel == "auto":
        kernel = kernel_for(jax.default_backend(), run.model.head_width, dtype, run.mesh.sequence)

    def loss(params: dict, batch: Mapping[str, Any], key: jax.Array, step: jax.Array) -> tuple[jax.Array, dict]:
        codes: ClipCodes = batch["codes"]
        seen = _corrupted(codes, key, run.corrupt, run.model) if run.corrupt else codes
        how: Any = {"seen": seen, "dtype": dtype, "attention": kernel, "remat": run.remat}
        params = for_training(run.model, params, dtype)
        nats, sound, squares = cross_entropy(run.model, params, batch["prefix"], codes, **how)
        per_frame = jnp.mean(nats, axis=(0, 2, 3))
        metrics = {"nats_first": per_frame[0]}
        if codes.video.shape[1] > 1:
            metrics |= {"nats_later": jnp.mean(per_frame[1:])}
        count = nats.size
        if run.model.sound_levels:
            heard = jnp.sum(codes.sound[..., 0] >= 0)
            metrics |= {"nats_sound": jnp.sum(sound) / jnp.maximum(heard, 1)}
            count += heard
        levels = run.sound_decay ** jnp.arange(sound.shape[-1])
        return (jnp.sum(nats) + jnp.sum(sound * levels)) / count + run.z_loss * squares, metrics

    return loss


def _corrupted(codes: ClipCodes, key: jax.Array, most: float, model: LMConfig) -> ClipCodes:
    """Codes of clips, a share of them with some bits flipped; that there is no track stays as it is."""
    share_key, video_key, sound_key = jax.random.split(key, 3)
    share = jax.random.uniform(share_key, (codes.video.shape[0],), maxval=most)

    def flipped(ids: jax.Array, key: jax.Array, bits: int) -> jax.Array:
        place_key, count_key, bit_key = jax.random.split(key, 3)
        hit = jax.random.uniform(place_key, ids.shape) < share.reshape(-1, *[1] * (ids.ndim - 1))
        # From a single wrong bit to a code of mere chance: errors of every size.
        flip = jax.random.uniform(count_key, ids.shape, maxval=0.5)[..., None]
        flips = jax.random.uniform(bit_key, (*ids.shape, bits)) < flip
        return jnp.where(hit & (ids >= 0), ids ^ bits_to_ids(flips), ids)

    video = flipped(jnp.asarray(codes.video), video_key, model.bits)
    return ClipCodes(video=video, sound=flipped(jnp.asarray(codes.sound), sound_key, model.sound_bits))


def to_sample(run: LMRun, text: Text, source: TokenSource, bucket: Bucket) -> ToSample:
    """What a bucket makes of the samples of a token set, whose captions `text` reads."""
    clock = {"fps": source.index.fps, "stride": source.index.time_stride}
    drop_text = run.drop_text if bucket.drop_text is None else bucket.drop_text
    return ToSample(text, run.model, task=bucket.task, frames=bucket.frames, **clock, drop_text=drop_text)


def train(run: LMRun, workdir: Path) -> TrainState:
    """Runs or resumes the training in `workdir`; see `loop.run` for what is written and what is raised."""
    tokenizer = None if run.video_tokenizer is None else open_tokenizer(run.video_tokenizer)
    audio = None if run.audio_tokenizer is None else open_audio_tokenizer(run.audio_tokenizer)
    if tokenizer is not None and tokenizer.config.bits != run.model.bits:
        raise RequestError(f"the video tokenizer writes {tokenizer.config.bits} bits, the model reads {run.model.bits}")
    opened: Any = {"bits": run.model.bits, "captions": run.captions}
    sources = open_all(run.tokens, tokenizer_hash=tokenizer and tokenizer.hash, **opened)
    its_hash = sources[0].index.tokenizer_hash
    held_back = open_all(run.held_out, tokenizer_hash=its_hash, **opened) if run.held_out else []
    levels, bits, frames = run.model.sound_levels, run.model.sound_bits, run.model.sound_frames
    check_sound([*sources, *held_back], levels=levels, bits=bits, frames=frames, audio_hash=audio and audio.hash)
    longest = max(bucket.frames for stage in run.stages for bucket in stage.buckets)
    if longest > run.model.frames:
        raise RequestError(f"a bucket has {longest} latent frames; the model takes {run.model.frames}")
    mesh = run.mesh.build()
    check_mesh(run.model, dict(mesh.shape))
    check_batches(run, sharding.batch_parts(mesh))
    optimizer = run.optimizer.build(run.loop.steps)
    create = lambda params: state.create(params, optimizer, run.loop.seed)  # noqa: E731
    check_state(run.model, create, dict(mesh.shape), device_memory.free_bytes())
    text, there = _start(run, sources, workdir)
    embed(run.model, text, [*sources, *held_back])

    share = feed.share(mesh)._asdict()
    batches = mixture(run.stages, sources, partial(to_sample, run, text), seed=run.loop.seed, **share)
    held_out = None
    if run.held_out:
        last = replace(run.stages[-1], steps=None, token_weights=None)
        held_out = mixture([last], held_back, partial(to_sample, run, text), seed=0, **share)
    of_ema = jax.jit(lambda params, batch: make_loss(run)(params, batch, jax.random.key(0), jnp.zeros((), jnp.int32)))

    def evaluate(current: TrainState) -> dict[str, float]:
        """Means over the first batches of the last stage's mixture of held out clips."""
        assert held_out is not None
        found: dict[str, list[float]] = {}
        for i in range(_EVALUATION_BATCHES):
            batch = feed.place(held_out[i], mesh)
            with jax.set_mesh(mesh):
                value, metrics = of_ema(current.ema, batch)
            for name, number in {"loss": value, **metrics}.items():
                found.setdefault(name, []).append(float(number))
        return {name: sum(numbers) / len(numbers) for name, numbers in found.items()}

    def load(batch: Mapping[str, Any]) -> Load:
        samples = batch["codes"].video.shape[0]
        layout = run.model.layout_of(batch["codes"], batch["prefix"])
        codes, slots = layout.codes, layout.slots - 1
        attention = 12 * run.model.layers * run.model.heads * run.model.head_width * slots / 2  # causal: half of it
        return Load(samples, samples * codes, samples * slots * (6 * weights + attention))

    def preview(batch: Mapping[str, Any]) -> list[np.ndarray]:
        return [] if tokenizer is None else list(tokenizer.decode(batch["codes"].video[:8]))

    initial, _, step = build(run, mesh, there)
    first, weights = sources[0], sum(leaf.size for leaf in jax.tree.leaves(initial.params) if leaf.ndim > 1)
    words = (first[i]["captions"][0] for i in range(min(1000, len(first))))
    fitting = (caption for caption in words if text.count(caption) <= run.model.text_slots)
    captions = list(islice(fitting, _SAMPLES)) or [""]

    named = {} if isinstance(text, TextTokenizer) else {"text_encoder_hash": text.hash}

    def samples(current: TrainState, folder: Path) -> None:
        assert tokenizer is not None
        size = Defaults(height=first.index.usual.height, width=first.index.usual.width, fps=first.index.fps)
        lm = LanguageModel(run.model, current.ema, text, mesh=mesh if mesh.size > jax.process_count() == 1 else None)
        model = Model("sample", tokenizer, lm, size, audio_tokenizer=audio)
        clips = model.generate(captions)
        contact_sheet([clip.video for clip in clips], folder / "generated.png", columns=9)
        for number, clip in enumerate(clips):
            clip.save(folder / f"{number}.mp4")

    return loop.run(
        run.loop,
        initial,
        step,
        Feed(batches, mesh),
        workdir,
        samples=samples if tokenizer and (audio or not run.model.sound_levels) else None,
        evaluate=None if held_out is None else evaluate,
        load=load,
        preview=preview,
        resolved={**asdict(run), "token_sets": [asdict(source.index) for source in sources], **named},
        label="language model",
    )


def build(run: LMRun, mesh: Mesh, there: Mapping[str, Any]) -> tuple[TrainState, Any, Callable[..., Any]]:
    """(the state before the first step, its shardings, the step) of a run; the state is made in shards.

    there: parts of the parameters that are not to be fresh.
    """
    optimizer = run.optimizer.build(run.loop.steps)

    def create(there: Mapping[str, Any]) -> TrainState:
        params = {**init_params(run.model, jax.random.key(run.loop.seed)), **there}
        return state.create(params, optimizer, run.loop.seed)

    layout = sharding.of_state(jax.eval_shape(create, there), mesh)
    jitted = make_step(make_loss(run), optimizer, run.optimizer.ema, layout, run.accumulate)

    def step(state: TrainState, batch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        with jax.set_mesh(mesh):
            return jitted(state, batch)

    with jax.set_mesh(mesh):
        return jax.jit(create, out_shardings=layout)(dict(there)), layout, step


def check_batches(run: LMRun, parts: int) -> None:
    """RequestError when a batch does not divide over the devices and the parts it goes through in."""
    each = parts * run.accumulate
    for bucket in (bucket for stage in run.stages for bucket in stage.buckets):
        if bucket.batch_size % each:
            raise RequestError(
                f"a batch_size of {bucket.batch_size} does not divide over data x fsdp = {parts} parts of the mesh"
                f" and {run.accumulate} to accumulate; take a multiple of {each}"
            )


def _start(run: LMRun, sources: Sequence[TokenSource], workdir: Path) -> tuple[Text, dict]:
    """What reads captions, and the parameters that are not to be fresh: those of `start_from`."""
    if run.start_from is None:
        train = lambda: text_tokenizer(sources, run.model.text_vocabulary)  # noqa: E731
        return open_text(run.model, run.text_encoder, workdir, train), {}
    start = open_start(run.start_from, run.model)
    # Of the same sizes, so both read with an encoder, or neither.
    text = open_text(run.model, run.text_encoder, workdir, lambda: cast(TextTokenizer, start.text))
    if not isinstance(text, TextTokenizer):
        check_encoder(text, start.encoder_hash, run.start_from)
    # A kind of prefix that the other never saw is learned from nothing.
    return text, start.params
