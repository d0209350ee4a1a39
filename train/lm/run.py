"""Training the language model: token sets in, a trained Transformer and what reads its words out.

`reelm train lm CONFIG --workdir DIR` ends here. A step reads a batch of clips of one length and descends on the cross
entropy of their codes (see `loss.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import grain
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from reelm.data.tokens.config import Bucket, Stage
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
from reelm.lm.net.transformer import init_params
from reelm.lm.parameters import check_mesh
from reelm.media.contact_sheet import contact_sheet
from reelm.sampling.model import Model
from reelm.sampling.parts import Defaults
from reelm.tokenizer import device_memory
from reelm.tokenizer.audio.tokenizer import AudioTokenizer
from reelm.tokenizer.text.encoder import Text
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.video.tokenizer import VideoTokenizer
from reelm.train.parts import Start, check_encoder, open_audio_tokenizer, open_start, open_video_tokenizer
from reelm.train.run import loop
from reelm.train.run.config_changes import free_fields
from reelm.train.run.throughput import Load
from reelm.train.run.training import Callback, Training
from reelm.train.step import feed, state
from reelm.train.step.feed import Feed
from reelm.train.step.frozen import bounded, frozen
from reelm.train.step.memory import check_state
from reelm.train.step.state import TrainState
from reelm.train.step.update import make_step

from .captions import embed, open_text, scope_of, text_tokenizer
from .config import LMRun
from .loss import make_loss, metric_names
from .samples import ToSample

_EVALUATION_BATCHES = 16
_SAMPLES = 4  # clips made at a time while training, of the first captions that a prompt can hold


def train(run: LMRun, workdir: Path, *, callbacks: Sequence[Callback] = ()) -> TrainState:
    """Run or resume the training in `workdir`; see `loop.run` for what is written and what is raised."""
    inputs = open_inputs(run)
    mesh = run.mesh.build()
    check(run, inputs, mesh)
    text, params, start = start_of(run, inputs.sources, workdir)
    embed(run.model, text, [*inputs.sources, *inputs.held_out])
    known = start.known if start is not None and run.freeze_known else {}
    objective = objective_of(run, known)
    job = LMJob(run, inputs, mesh, text, objective, start)
    initial, _, step = build(run, objective.loss, mesh, params, known)
    training = replace(job.training(), callbacks=callbacks)
    return loop.run(run.loop, initial, step, Feed(job.batches(), mesh), workdir, training)


class Objective(NamedTuple):
    """What a run descends on.

    Attributes:
        loss: `(params, batch, key, step) -> (loss, metrics)`.
        metrics: names of the metrics that a log shows.
    """

    loss: Callable[..., tuple[jax.Array, dict[str, jax.Array]]]
    metrics: tuple[str, ...]


def objective_of(run: LMRun, known: Mapping[str, Any]) -> Objective:
    """Return the objective of a run: the likelihood of its codes.

    known: parameters that are not trained, as `train.parts.Start` names them.
    """
    longest = max(bucket.frames for bucket in run.stages[-1].buckets)
    return Objective(frozen(make_loss(run), known), ("loss", *metric_names(run.model, longest)))


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a run reads."""

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
    """RequestError unless the model takes the buckets, the batches fit the mesh and the state fits the memory."""
    longest = max(bucket.frames for bucket in run.buckets)
    if longest > run.model.frames:
        raise RequestError(f"a bucket has {longest} latent frames; the model takes {run.model.frames}")
    check_mesh(run.model, dict(mesh.shape))
    check_batches(run, sharding.batch_parts(mesh))
    optimizer = run.optimizer.build(run.loop.steps)
    create = partial(state.create, optimizer=optimizer, seed=run.loop.seed)
    check_state(run.model, create, dict(mesh.shape), device_memory.free_bytes())


def check_batches(run: LMRun, parts: int) -> None:
    """RequestError when a batch does not divide over the devices and the parts it goes through in."""
    each = parts * run.accumulate
    for bucket in run.buckets:
        if bucket.batch_size % each:
            raise RequestError(
                f"a batch_size of {bucket.batch_size} does not divide over data x fsdp = {parts} parts of the mesh"
                f" and {run.accumulate} to accumulate; take a multiple of {each}"
            )


class LMJob:
    """The batches, samples and evaluations of a run."""

    def __init__(
        self, run: LMRun, inputs: Inputs, mesh: Mesh, text: Text, objective: Objective, start: Start | None = None
    ) -> None:
        self.run, self.inputs, self.mesh, self.text, self.objective = run, inputs, mesh, text, objective
        self._start = start if run.freeze_known else None
        self._held_out = None
        if inputs.held_out:
            last = replace(run.scaled_stages[-1], steps=None, token_weights=None)
            self._held_out = self._mixture([last], inputs.held_out, seed=0)
        self._evaluation_loss = jax.jit(self._loss_of_average)

    def training(self) -> Training:
        """Return what the loop needs to know of the run."""
        run, inputs = self.run, self.inputs
        resolved = {**asdict(run), "token_sets": [asdict(source.index) for source in inputs.sources]}
        resolved |= self._can_do()
        if not isinstance(self.text, TextTokenizer):
            resolved["text_encoder_hash"] = self.text.hash
        audible = inputs.audio_tokenizer is not None or not run.model.sound_levels
        return Training(
            stage="lm",
            resolved=resolved,
            data={"held_out": [asdict(source.index) for source in inputs.held_out]},
            free=free_fields(run),
            samples=self.samples if inputs.video_tokenizer is not None and audible else None,
            evaluate=self.evaluate if inputs.held_out else None,
            metrics=self.objective.metrics,
            load=self.load,
            preview=self.preview,
        )

    def _can_do(self) -> dict[str, Any]:
        """Return what the trained model can do, with all that a frozen one could."""
        tasks, scope = {bucket.task for bucket in self.run.buckets}, scope_of(self.inputs.sources, self.text)
        if self._start is not None:
            tasks, scope = tasks.union(self._start.tasks), scope.with_all(self._start.scope)
        return {"tasks": sorted(tasks), "scope": asdict(scope)}

    def batches(self) -> grain.MapDataset:
        """Return this process's share of the batches to train on."""
        return self._mixture(self.run.scaled_stages, self.inputs.sources, self.run.loop.seed)

    def load(self, batch: Mapping[str, Any]) -> Load:
        """Return the samples, codes and FLOPs of a batch."""
        model, samples = self.run.model, batch["codes"].video.shape[0]
        layout = model.layout_of(batch["codes"], batch["prefix"])
        codes, slots = layout.codes, layout.slots - 1
        attention = 12 * model.layers * model.heads * model.head_width * slots / 2  # causal: half of it
        return Load(samples, samples * codes, samples * slots * (6 * self._matrix_size + attention))

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
                value, metrics = self._evaluation_loss(current.ema, batch)
            for name, number in {"loss": value, **metrics}.items():
                found.setdefault(name, []).append(float(number))
        return {name: sum(numbers) / len(numbers) for name, numbers in found.items()}

    def _loss_of_average(self, params: dict, batch: Mapping[str, Any]) -> tuple[jax.Array, dict]:
        return self.objective.loss(params, batch, jax.random.key(0), jnp.zeros((), jnp.int32))

    def _mixture(self, stages: Sequence[Stage], sources: Sequence[TokenSource], seed: int) -> grain.MapDataset:
        transform = partial(to_sample, self.run, self.text, motions(sources) if self.run.model.motion else None)
        return mixture(stages, sources, transform, seed=seed, **feed.share(self.mesh)._asdict())

    @cached_property
    def _captions(self) -> list[str]:
        """The first captions that fit a prompt."""
        first = self.inputs.sources[0]
        captions = (first[i]["captions"][0] for i in range(min(1000, len(first))))
        fitting = (caption for caption in captions if self.text.count(caption) <= self.run.model.text_slots)
        return list(islice(fitting, _SAMPLES)) or [""]

    @cached_property
    def _matrix_size(self) -> int:
        """Numbers in all matrices of the net."""
        params = jax.eval_shape(partial(init_params, self.run.model), jax.random.key(0))
        return sum(leaf.size for leaf in jax.tree.leaves(params) if leaf.ndim > 1)


def to_sample(run: LMRun, text: Text, motions: np.ndarray | None, source: TokenSource, bucket: Bucket) -> ToSample:
    """Return the transform of a bucket for the samples of a token set, whose captions `text` reads.

    motions: what the motion of a sample is compared with; None for a model that knows no motion score.
    """
    return ToSample(
        text,
        run.model,
        task=bucket.task,
        frames=bucket.frames,
        fps=source.index.fps,
        stride=source.index.time_stride,
        drop_text=run.drop_text if bucket.drop_text is None else bucket.drop_text,
        drop_control=run.drop_control if bucket.drop_control is None else bucket.drop_control,
        motions=motions,
        references=bucket.references,
        later=bucket.later,
    )


def build(
    run: LMRun, loss: Callable[..., Any], mesh: Mesh, params: Mapping[str, Any], known: Mapping[str, Any] | None = None
) -> tuple[TrainState, Any, Callable[..., Any]]:
    """Return (the state before the first step, its shardings, the step) of a run; the state is made in shards.

    loss: what the step descends on; see `Objective`.
    params: parts of the parameters that are not to be fresh.
    known: those that are not trained.
    """
    optimizer = bounded(run.optimizer.build(run.loop.steps), params, known or {})

    def create(params: Mapping[str, Any]) -> TrainState:
        fresh = init_params(run.model, jax.random.key(run.loop.seed))
        return state.create({**fresh, **params}, optimizer, run.loop.seed)

    layout = sharding.of_state(jax.eval_shape(create, params), mesh)
    jitted = make_step(loss, optimizer, run.optimizer.ema, layout, run.accumulate)

    def step(state: TrainState, batch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        with jax.set_mesh(mesh):
            return jitted(state, batch)

    with jax.set_mesh(mesh):
        return jax.jit(create, out_shardings=layout)(dict(params)), layout, step


def _parts(run: LMRun) -> set[str]:
    """Return the names of the parts of a net's parameters."""
    return {*jax.eval_shape(partial(init_params, run.model), jax.random.key(0))}


class Beginning(NamedTuple):
    """What a run begins with.

    Attributes:
        text: reads captions.
        params: parts of the parameters that are not to be fresh.
        start: where these come from; None where all are fresh.
    """

    text: Text
    params: dict
    start: Start | None


def start_of(run: LMRun, sources: Sequence[TokenSource], workdir: Path) -> Beginning:
    """Return what a run begins with: that of `start_from`, if it names one."""
    if run.start_from is None:
        learned = partial(text_tokenizer, sources, run.model.text_vocabulary)
        return Beginning(open_text(run.model, run.text_encoder, workdir, learned), {}, None)
    start = open_start(run.start_from, run.model)
    # Both read with a text encoder, or neither does.
    text = open_text(run.model, run.text_encoder, workdir, lambda: cast(TextTokenizer, start.text))
    if start.encoder_hash and not isinstance(text, TextTokenizer):
        check_encoder(text, start.encoder_hash, run.start_from)
    params = start.params
    if run.freeze_known and all(map(np.all, jax.tree.leaves(start.known))) and params.keys() == _parts(run):
        raise RequestError(f"{run.start_from} has all that this model has, so with freeze_known nothing is trained")
    # Parts that `start` lacks are fresh, such as a kind of prefix that it never saw.
    return Beginning(text, params, start)
