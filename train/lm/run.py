"""Train the language model: from token sets to a trained Transformer and its text reader.

`reelm train lm CONFIG --workdir DIR` calls `make_job`. A step reads a batch of clips of one length and minimises the
cross entropy of their codes (see `loss.py`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from itertools import count, islice
from pathlib import Path
from typing import Any, cast

import grain
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from reelm.data import pipeline
from reelm.data.tokens.config import Bucket
from reelm.data.tokens.mixture import mixture
from reelm.data.tokens.read import (
    TokenSource,
    check_controls,
    check_keys,
    check_sound,
    motions,
    open_all,
)
from reelm.errors import RequestError
from reelm.lm import sharding
from reelm.lm.language_model import LanguageModel
from reelm.lm.net.config import LMConfig
from reelm.lm.net.transformer import init_params
from reelm.lm.parameters import check_mesh
from reelm.media.contact_sheet import contact_sheet
from reelm.sampling.model import Model
from reelm.sampling.options import Defaults
from reelm.tokenizer import device_memory
from reelm.tokenizer.audio.tokenizer import AudioTokenizer
from reelm.tokenizer.text.encoder import Text
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.video.tokenizer import VideoTokenizer
from reelm.train.parts import Start, check_encoder, open_audio_tokenizer, open_start, open_video_tokenizer
from reelm.train.run.job import Job
from reelm.train.run.throughput import Load
from reelm.train.step import feed, state
from reelm.train.step.feed import Share
from reelm.train.step.frozen import bounded, frozen
from reelm.train.step.memory import check_state
from reelm.train.step.objective import Objective
from reelm.train.step.state import TrainState

from .captions import embed, open_text, text_tokenizer, training_domain_of
from .config import LMRun
from .loss import make_loss, metric_names
from .samples import ToSample

_EVALUATION_BATCHES = 16
_SAMPLES = 4  # clips generated at a time while training, for the first captions that fit a prompt


def make_job(run: LMRun, workdir: Path) -> Job:
    """Return the training of a run.

    workdir: holds the text tokenizer.
    """
    inputs = open_inputs(run)
    mesh = run.mesh.build()
    check(run, inputs, mesh)
    text, start = start_of(run, inputs.sources, workdir)
    embed(run.model, text, [*inputs.sources, *inputs.held_out])
    objective = objective_of(run, start)
    about = {"token_sets": [asdict(source.index) for source in inputs.sources], **_can_do(run, inputs, text, start)}
    if not isinstance(text, TextTokenizer):
        about["text_encoder_hash"] = text.hash
    audible = inputs.audio_tokenizer is not None or not run.model.sound_levels
    longest = max(bucket.frames for bucket in run.stages[-1].buckets)
    generating = Generating(run, inputs, mesh, text, objective.loss)
    return Job(
        stage="lm",
        config=run,
        about=about,
        data={"held_out": [asdict(source.index) for source in inputs.held_out]},
        mesh=mesh,
        build=objective.build,
        batches=lambda share: pipeline.iterate(batches_of(run, text, inputs.sources, share)),
        samples=generating.samples if inputs.video_tokenizer is not None and audible else None,
        evaluate=generating.evaluate if inputs.held_out else None,
        metrics=("loss", *metric_names(run.model, longest)),
        load=load_of(run.model),
        preview=generating.preview,
    )


def objective_of(run: LMRun, start: Start | None = None) -> Objective:
    """Return the objective of a run: the likelihood of its codes.

    start: model that the run starts from. Parts that it lacks are fresh, such as a new kind of prefix.
    """
    params = {} if start is None else start.params
    known = start.known if start is not None and run.freeze_known else {}
    return Objective(
        init=partial(init_params, run.model),
        start=params,
        loss=frozen(make_loss(run), known),
        optimizer=bounded(run.optimizer.build(run.loop.steps), params, known),
        ema=run.optimizer.ema,
        accumulate=run.accumulate,
        seed=run.loop.seed,
    )


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The data and tokenizers that a run reads."""

    sources: Sequence[TokenSource]
    """Token sets to train on."""
    held_out: Sequence[TokenSource]
    """Token sets to evaluate on; may be empty."""
    video_tokenizer: VideoTokenizer | None
    """Decodes samples; None for no samples."""
    audio_tokenizer: AudioTokenizer | None
    """Decodes the sound of samples; None for none."""


def open_inputs(run: LMRun) -> Inputs:
    """Open the tokenizers and token sets of a run; RequestError unless their codes are of one kind."""
    video = None if run.video_tokenizer is None else open_video_tokenizer(run.video_tokenizer)
    audio = None if run.audio_tokenizer is None else open_audio_tokenizer(run.audio_tokenizer)
    model = run.model
    if video is not None and video.config.bits != model.bits:
        raise RequestError(f"the video tokenizer writes {video.config.bits} bits, the model reads {model.bits}")
    open_sets = partial(open_all, bits=model.bits, captions=run.captions)
    sources = open_sets(run.tokens, tokenizer_hash=video and video.hash)
    video_hash = sources[0].index.tokenizer_hash
    held_out = open_sets(run.held_out, tokenizer_hash=video_hash) if run.held_out else []
    check_keys([*sources, *held_out], model.keys, model.keys_at_once)
    check_controls(sources, {*model.channels, *model.structures} - {"keys", "structure"})
    check_sound(
        [*sources, *held_out],
        levels=model.sound_levels,
        bits=model.sound_bits,
        frames=model.sound_frames,
        audio_hash=audio and audio.hash,
    )
    return Inputs(sources=sources, held_out=held_out, video_tokenizer=video, audio_tokenizer=audio)


def check(run: LMRun, inputs: Inputs, mesh: Mesh) -> None:
    """Raise RequestError unless the buckets fit the model, the batches fit the mesh and the state fits the memory."""
    longest = max(bucket.frames for bucket in run.buckets)
    if longest > run.model.frames:
        raise RequestError(f"a bucket has {longest} latent frames; the model takes {run.model.frames}")
    check_mesh(run.model, dict(mesh.shape))
    check_batches(run, sharding.batch_parts(mesh))
    optimizer = run.optimizer.build(run.loop.steps)
    create = partial(state.create, optimizer=optimizer, seed=run.loop.seed)
    check_state(run.model, create, dict(mesh.shape), device_memory.free_bytes())


def check_batches(run: LMRun, parts: int) -> None:
    """Raise RequestError when a batch does not divide over the devices and the accumulated parts."""
    each = parts * run.accumulate
    for bucket in run.buckets:
        if bucket.batch_size % each:
            sizes = [bucket.batch_size for stage in run.stages for bucket in stage.buckets]
            scale = _batch_scale(sizes, each, run.batch_scale)
            made = [f"{size * scale:g}" for size in sorted({*sizes})]
            raise RequestError(
                f"a batch of {bucket.batch_size} clips does not divide over {parts} devices (data x fsdp)"
                + (f" and {run.accumulate} to accumulate" if run.accumulate > 1 else "")
                + f"; --batch-scale {scale:g} makes batches of {', '.join(made)}"
            )


def _batch_scale(sizes: Sequence[int], each: int, wanted: float) -> float:
    """Return the least scale from `wanted` on that makes every size a multiple of `each`."""
    step = each / math.gcd(*sizes)
    scales = (step * times for times in count(max(1, math.ceil(wanted / step))))
    return next(scale for scale in scales if all(size * scale % each == 0 for size in sizes))


class Generating:
    """Generates samples from a state, and evaluates its likelihood of held-out clips.

    loss: that of the objective, `(params, batch, key, step) -> (loss, metrics)`.
    """

    def __init__(self, run: LMRun, inputs: Inputs, mesh: Mesh, text: Text, loss: Callable[..., Any]) -> None:
        self.run, self.inputs, self.mesh, self.text = run, inputs, mesh, text
        self._held_out = None
        if inputs.held_out:
            last = replace(run.stages[-1], steps=None, token_weights=None)
            evaluated = replace(run, stages=(last,), loop=replace(run.loop, seed=0))
            self._held_out = batches_of(evaluated, text, inputs.held_out, feed.share(mesh))
        self._loss = jax.jit(lambda params, batch: loss(params, batch, jax.random.key(0), jnp.zeros((), jnp.int32)))

    def preview(self, batch: Mapping[str, Any]) -> list[np.ndarray]:
        """Return the first clips of a batch, decoded."""
        tokenizer = self.inputs.video_tokenizer
        return [] if tokenizer is None else list(tokenizer.decode(batch["codes"].video[:8]))

    def samples(self, current: TrainState, folder: Path) -> None:
        """Write clips that the averaged parameters generate for the first captions."""
        tokenizer, index = self.inputs.video_tokenizer, self.inputs.sources[0].index
        assert tokenizer is not None
        size = Defaults(height=index.usual.height, width=index.usual.width, fps=index.fps)
        mesh = self.mesh if self.mesh.size > jax.process_count() == 1 else None
        lm = LanguageModel(self.run.model, current.ema, self.text, mesh=mesh)
        model = Model("sample", tokenizer, lm, size, audio_tokenizer=self.inputs.audio_tokenizer)
        clips = model.generate(self._captions)
        contact_sheet([clip.video for clip in clips], folder / "generated.png", columns=9)
        for number, clip in enumerate(clips):
            clip.save(folder / f"{number}.mp4")

    def evaluate(self, current: TrainState) -> dict[str, float]:
        """Return the mean metrics over the first batches of held-out clips, mixed as in the last stage."""
        assert self._held_out is not None
        found: dict[str, list[float]] = {}
        for i in range(_EVALUATION_BATCHES):
            batch = feed.place(self._held_out[i], self.mesh)
            with jax.set_mesh(self.mesh):
                value, metrics = self._loss(current.ema, batch)
            for name, number in {"loss": value, **metrics}.items():
                found.setdefault(name, []).append(float(number))
        return {name: sum(numbers) / len(numbers) for name, numbers in found.items()}

    @cached_property
    def _captions(self) -> list[str]:
        """The first captions that fit a prompt."""
        first = self.inputs.sources[0]
        captions = (first[i]["captions"][0] for i in range(min(1000, len(first))))
        fitting = (caption for caption in captions if self.text.count(caption) <= self.run.model.text_slots)
        return list(islice(fitting, _SAMPLES)) or [""]


def _can_do(run: LMRun, inputs: Inputs, text: Text, start: Start | None) -> dict[str, Any]:
    """Return the tasks and the training domain of the trained model, including those of a frozen one."""
    tasks, domain = {bucket.task for bucket in run.buckets}, training_domain_of(inputs.sources, text)
    if start is not None and run.freeze_known:
        tasks, domain = tasks.union(start.tasks), domain.with_all(start.training_domain)
    return {"tasks": sorted(tasks), "training_domain": asdict(domain)}


def load_of(model: LMConfig) -> Callable[[Mapping[str, Any]], Load]:
    """Return the function that counts the samples, codes and FLOPs of a batch."""
    params = jax.eval_shape(partial(init_params, model), jax.random.key(0))
    matrices = sum(leaf.size for leaf in jax.tree.leaves(params) if leaf.ndim > 1)

    def load(batch: Mapping[str, Any]) -> Load:
        layout = model.layout_of(batch["codes"], batch["prefix"])
        samples, slots = batch["codes"].video.shape[0], layout.slots - 1
        attention = 12 * model.layers * model.heads * model.head_width * slots / 2  # half, as attention is causal
        return Load(samples, samples * layout.codes, samples * slots * (6 * matrices + attention))

    return load


def batches_of(run: LMRun, text: Text, sources: Sequence[TokenSource], share: Share) -> grain.MapDataset:
    """Return a process's share of the batches of a run's stages, from these token sets."""
    transform = partial(to_sample, run, text, motions(sources) if run.model.motion else None)
    return mixture(run.scaled_stages, sources, transform, seed=run.loop.seed, **share._asdict())


def to_sample(run: LMRun, text: Text, motions: np.ndarray | None, source: TokenSource, bucket: Bucket) -> ToSample:
    """Return the transform of a bucket for the samples of a token set, whose captions `text` reads.

    motions: the motion of many clips, to rank that of a sample; None for a model without a motion score.
    """
    return ToSample(
        text,
        run.model,
        task=bucket.task,
        frames=bucket.frames,
        fps=source.index.fps,
        stride=source.index.time_stride,
        caption_dropout=run.caption_dropout if bucket.caption_dropout is None else bucket.caption_dropout,
        control_dropout=run.control_dropout if bucket.control_dropout is None else bucket.control_dropout,
        motions=motions,
        references=bucket.references,
        later=bucket.later,
    )


def _parts(run: LMRun) -> set[str]:
    """Return the names of the parts of a net's parameters."""
    return {*jax.eval_shape(partial(init_params, run.model), jax.random.key(0))}


def start_of(run: LMRun, sources: Sequence[TokenSource], workdir: Path) -> tuple[Text, Start | None]:
    """Return the text reader, and the model of `start_from`; None when all parameters are fresh."""
    if run.start_from is None:
        learned = partial(text_tokenizer, sources, run.model.text_vocabulary)
        return open_text(run.model, run.text_encoder, workdir, learned), None
    start = open_start(run.start_from, run.model)
    # Either both models use a text encoder, or neither does.
    text = open_text(run.model, run.text_encoder, workdir, lambda: cast(TextTokenizer, start.text))
    if start.encoder_hash and not isinstance(text, TextTokenizer):
        check_encoder(text, start.encoder_hash, run.start_from)
    if run.freeze_known and all(map(np.all, jax.tree.leaves(start.known))) and start.params.keys() == _parts(run):
        raise RequestError(f"{run.start_from} has all parameters of this model, so freeze_known leaves none to train")
    return text, start
