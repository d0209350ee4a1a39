"""Training the language model: token sets in, a trained Transformer and its text tokenizer out.

`reelm train lm CONFIG --workdir DIR` ends here. A step reads a batch of clips of one length and descends on the cross
entropy of their codes, with a small penalty on the logits' scale (z-loss, PaLM, arXiv 2204.02311, section 5).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grain
import jax
import jax.numpy as jnp

from reelm.lm.likelihood import cross_entropy
from reelm.lm.stream import Task
from reelm.lm.transformer import LMConfig, init_params
from reelm.sampling.model import Defaults, LanguageModel, Model
from reelm.tokenizer.codes import bits_to_ids
from reelm.tokenizer.request import RequestError
from reelm.tokenizer.text import TextTokenizer

from . import loop, pipeline, state
from .checkpoints import restore_params
from .contact_sheet import contact_sheet
from .differences import differences
from .loop import LoopConfig
from .optimizer import OptimizerConfig, make_step
from .samples import ToSample
from .state import TrainState
from .tokens import TokenSource, open_tokens
from .video_tokenizer import open_tokenizer

TEXT_FILE = "text.model"
_SAMPLES = 4  # clips made at a time while training, of the token set's first captions


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Clips of one length: `frames` latent frames, `batch_size` of them a step, for one task (see samples.py).

    Each bucket compiles once.
    """

    frames: int
    batch_size: int
    task: Task = "begins"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of the run: `steps` steps (None: to the end), taken from `buckets` in the ratio of `weights`."""

    steps: int | None = None
    buckets: tuple[Bucket, ...] = (Bucket(frames=5, batch_size=16),)
    weights: tuple[float, ...] = (1.0,)


@dataclass(frozen=True, kw_only=True)
class LMRun:
    """Everything that decides a run; `reelm train lm` overrides any field by its dotted name.

    Attributes:
        model: sizes of the net.
        tokens: folder that `reelm data tokenize` wrote.
        video_tokenizer: what made the tokens, to turn samples into clips while training; None for no samples.
        stages: lengths of clips over the run; images first teach what things look like at a fraction of a clip's cost.
        drop_text: share of samples whose words are taken out, so that guidance has an unconditional model.
        corrupt: largest share of a sample's codes that the net reads with wrong bits, while it still learns the right
            ones, so that it recovers from its own errors; each sample draws its share from 0 to this.
        start_from: workdir of a language model to go on from, its averaged weights in a new run; None starts afresh.
        z_loss: weight of the squared log-normaliser.
        dtype: number format of activations; parameters are float32.
    """

    model: LMConfig = field(default_factory=LMConfig)
    tokens: Path = Path("tokens")
    video_tokenizer: Path | None = None
    stages: tuple[Stage, ...] = (Stage(),)
    drop_text: float = 0.1
    corrupt: float = 0.0
    start_from: Path | None = None
    z_loss: float = 1e-4
    dtype: str = "float32"
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=10_000))


def make_loss(run: LMRun):
    """`(params, batch, key, step) -> (loss, metrics)`; losses in nats a code, that of the first latent frame apart."""

    def loss(params: dict, batch: Mapping[str, Any], key: jax.Array, step: jax.Array) -> tuple[jax.Array, dict]:
        codes, prefix = batch["codes"], batch["prefix"]
        seen = _corrupted(codes, key, run.corrupt, run.model.bits) if run.corrupt else codes
        nats, squares = cross_entropy(run.model, params, prefix, codes, seen=seen, dtype=jnp.dtype(run.dtype))
        per_frame = jnp.mean(nats, axis=(0, 2, 3))
        metrics = {"nats_first": per_frame[0]}
        if codes.shape[1] > 1:
            metrics |= {"nats_later": jnp.mean(per_frame[1:])}
        return jnp.mean(nats) + run.z_loss * squares, metrics

    return loss


def _corrupted(codes: jax.Array, key: jax.Array, most: float, bits: int) -> jax.Array:
    """Codes int32 `[B, t, h, w]`, a share of them with some bits flipped."""
    share_key, place_key, count_key, bit_key = jax.random.split(key, 4)
    share = jax.random.uniform(share_key, (codes.shape[0], 1, 1, 1), maxval=most)
    hit = jax.random.uniform(place_key, codes.shape) < share
    # From a single wrong bit to a code of mere chance: errors of every size.
    flip = jax.random.uniform(count_key, codes.shape, maxval=0.5)[..., None]
    flips = jax.random.uniform(bit_key, (*codes.shape, bits)) < flip
    return jnp.where(hit, codes ^ bits_to_ids(flips), codes)


def train(run: LMRun, workdir: Path) -> TrainState:
    """Runs or resumes the training in `workdir`; see `loop.run` for what is written and what is raised."""
    tokenizer = None if run.video_tokenizer is None else open_tokenizer(run.video_tokenizer)
    source = open_tokens(run.tokens, tokenizer and tokenizer.hash)
    frames = source[0]["video"].shape[0]
    for bucket in (bucket for stage in run.stages for bucket in stage.buckets):
        most = min(frames - (bucket.task == "continues"), run.model.frames)
        if bucket.frames > most:
            raise RequestError(
                f"a bucket of task {bucket.task!r} has {bucket.frames} latent frames; at most {most} are possible, as "
                f"tokens have {frames} and the model {run.model.frames}"
            )
    optimizer = run.optimizer.build(run.loop.steps)
    text, params = _start(run, source, workdir)
    initial = state.create(params, optimizer, run.loop.seed)
    captions = [source[i]["caption"] for i in range(min(_SAMPLES, len(source)))]

    def samples(current: TrainState, folder: Path) -> None:
        assert tokenizer is not None
        size = Defaults(height=source.index.height, width=source.index.width, fps=source.index.fps)
        model = Model("sample", tokenizer, LanguageModel(run.model, current.ema, text), size)
        clips = model.generate(captions)
        contact_sheet([clip.video for clip in clips], folder / "generated.png", columns=9)
        for number, clip in enumerate(clips):
            clip.save(folder / f"{number}.mp4")

    return loop.run(
        run.loop,
        initial,
        make_step(make_loss(run), optimizer, run.optimizer.ema),
        pipeline.iterate(_stages(run, source, text)),
        workdir,
        samples=samples if tokenizer else None,
        resolved={**asdict(run), "token_set": asdict(source.index)},
        label="language model",
    )


def _start(run: LMRun, source: TokenSource, workdir: Path) -> tuple[TextTokenizer, dict]:
    """Text tokenizer and first parameters, those of `start_from` as far as they go."""
    fresh = init_params(run.model, jax.random.key(run.loop.seed))
    if run.start_from is None:
        return text_tokenizer(source, run.model.text_vocabulary, workdir), fresh
    there, _, config = restore_params(run.start_from)
    changed = differences(config.get("model"), json.loads(json.dumps(asdict(run.model))))
    if changed:
        raise RequestError(f"{run.start_from} is no language model of these sizes: {'; '.join(changed)}")
    if not (Path(workdir) / TEXT_FILE).exists():
        _write(Path(workdir) / TEXT_FILE, (run.start_from / TEXT_FILE).read_bytes())
    # A kind of prefix that the other never saw is learned from nothing.
    return text_tokenizer(source, run.model.text_vocabulary, workdir), fresh | there


def text_tokenizer(source: TokenSource, vocabulary: int, workdir: Path) -> TextTokenizer:
    """The text tokenizer of a run, trained on the token set's captions when there is none in `workdir` yet."""
    path = Path(workdir) / TEXT_FILE
    if not path.exists():
        captions = (source[i]["caption"] for i in range(min(len(source), 20_000)))
        _write(path, TextTokenizer.train(captions, vocabulary).model)
    return TextTokenizer(path.read_bytes())


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def _stages(run: LMRun, source: TokenSource, text: TextTokenizer) -> grain.MapDataset:
    to_sample = partial(
        ToSample,
        text,
        prefix=run.model.prefix,
        fps=source.index.fps,
        stride=source.index.time_stride,
        drop_text=run.drop_text,
    )

    def bucket(number: int, bucket: Bucket) -> grain.MapDataset:
        return pipeline.batches(
            source,
            batch_size=bucket.batch_size,
            seed=run.loop.seed + number,
            transform=to_sample(task=bucket.task, frames=bucket.frames),
        )

    parts = []
    for n, stage in enumerate(run.stages):
        # A seed of its own for each bucket of each stage: none repeats another's order.
        datasets = [bucket(1000 * n + i, b) for i, b in enumerate(stage.buckets)]
        parts.append((stage.steps, pipeline.mix(datasets, stage.weights) if len(datasets) > 1 else datasets[0]))
    return pipeline.stages(parts)
