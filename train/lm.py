"""Training the language model: token sets in, a trained Transformer and its text tokenizer out.

`reelm train lm CONFIG --workdir DIR` ends here. A step reads a batch of clips of one length and descends on the cross
entropy of their codes, with a small penalty on the logits' scale (z-loss, PaLM, arXiv 2204.02311, section 5).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import grain
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from reelm.lm.stream import Layout, prefix_ids, without_text
from reelm.lm.transformer import LMConfig, head, init_params, score
from reelm.sampling.model import Defaults, LanguageModel, Model
from reelm.tokenizer.codes import ids_to_sub_tokens
from reelm.tokenizer.request import RequestError
from reelm.tokenizer.text import TextTokenizer

from . import loop, pipeline, state
from .contact_sheet import contact_sheet
from .loop import LoopConfig
from .optimizer import OptimizerConfig, make_step
from .state import TrainState
from .tokens import TokenSource, open_tokens
from .video_tokenizer import open_tokenizer

TEXT_FILE = "text.model"
_SAMPLES = 4  # clips made at a time while training, of the token set's first captions


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Clips of one length: `frames` latent frames, `batch_size` of them a step. Each bucket compiles once."""

    frames: int
    batch_size: int


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
        z_loss: weight of the squared log-normaliser.
        dtype: number format of activations; parameters are float32.
    """

    model: LMConfig = field(default_factory=LMConfig)
    tokens: Path = Path("tokens")
    video_tokenizer: Path | None = None
    stages: tuple[Stage, ...] = (Stage(),)
    drop_text: float = 0.1
    z_loss: float = 1e-4
    dtype: str = "float32"
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=10_000))


class ToSample(grain.transforms.RandomMap):
    """A token sample -> {"prefix": int32 `[P]`, "codes": int32 `[frames, h, w]`}, its words dropped at random."""

    def __init__(self, text: TextTokenizer, *, prefix: int, frames: int, fps: float, drop_text: float):
        self.text, self.prefix, self.frames, self.fps, self.drop_text = text, prefix, frames, fps, drop_text

    def random_map(self, element: Mapping[str, Any], rng: np.random.Generator) -> Any:
        codes = element["video"][: self.frames]
        prefix = prefix_ids(
            "text_to_video",
            rows=codes.shape[1],
            columns=codes.shape[2],
            fps=self.fps,
            text=self.text.encode(element["caption"]),
            length=self.prefix,
        )
        return {"prefix": without_text(prefix) if rng.random() < self.drop_text else prefix, "codes": codes}


def cross_entropy(
    config: LMConfig, params: dict, prefix: jax.Array, codes: jax.Array, dtype: DTypeLike
) -> tuple[jax.Array, jax.Array]:
    """(nats of each code float32 `[B, N]`, mean squared normaliser) for prefix `[B, P]` and codes `[B, t, h, w]`."""
    layout = Layout(config.prefix, *codes.shape[1:])
    sub_tokens = ids_to_sub_tokens(codes.reshape(codes.shape[0], -1), config.code)
    hidden = score(config, params, layout, prefix, sub_tokens, dtype)
    nats, squares = jnp.zeros(sub_tokens.shape[:2]), jnp.zeros(())
    of_sub_tokens = head(config, dtype).apply({"params": params["head"]}, hidden, sub_tokens)
    for k, logits in enumerate(cast(list[jax.Array], of_sub_tokens)):
        normaliser = jax.nn.logsumexp(logits, axis=-1)
        nats += normaliser - jnp.take_along_axis(logits, sub_tokens[..., k, None], axis=-1)[..., 0]
        squares += jnp.mean(jnp.square(normaliser))
    return nats, squares


def make_loss(run: LMRun):
    """`(params, batch, key, step) -> (loss, metrics)`; losses in nats a code, that of the first latent frame apart."""

    def loss(params: dict, batch: Mapping[str, jax.Array], key: jax.Array, step: jax.Array) -> tuple[jax.Array, dict]:
        codes = batch["codes"]
        nats, squares = cross_entropy(run.model, params, batch["prefix"], codes, jnp.dtype(run.dtype))
        per_frame = jnp.mean(nats.reshape(codes.shape[0], codes.shape[1], -1), axis=(0, 2))
        metrics = {"nats_first": per_frame[0]}
        if codes.shape[1] > 1:
            metrics |= {"nats_later": jnp.mean(per_frame[1:])}
        return jnp.mean(nats) + run.z_loss * squares, metrics

    return loss


def train(run: LMRun, workdir: Path) -> TrainState:
    """Runs or resumes the training in `workdir`; see `loop.run` for what is written and what is raised."""
    tokenizer = None if run.video_tokenizer is None else open_tokenizer(run.video_tokenizer)
    source = open_tokens(run.tokens, tokenizer and tokenizer.hash)
    frames = source[0]["video"].shape[0]
    longest = max(bucket.frames for stage in run.stages for bucket in stage.buckets)
    if longest > min(frames, run.model.frames):
        raise RequestError(f"a bucket has {longest} latent frames; tokens have {frames}, the model {run.model.frames}")
    text = text_tokenizer(source, run.model.text_vocabulary, workdir)
    optimizer = run.optimizer.build(run.loop.steps)
    initial = state.create(init_params(run.model, jax.random.key(run.loop.seed)), optimizer, run.loop.seed)
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


def text_tokenizer(source: TokenSource, vocabulary: int, workdir: Path) -> TextTokenizer:
    """The text tokenizer of a run, trained on the token set's captions when there is none in `workdir` yet."""
    path = Path(workdir) / TEXT_FILE
    if not path.exists():
        captions = (source[i]["caption"] for i in range(min(len(source), 20_000)))
        model = TextTokenizer.train(captions, vocabulary).model
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(model)
        temporary.replace(path)
    return TextTokenizer(path.read_bytes())


def _stages(run: LMRun, source: TokenSource, text: TextTokenizer) -> grain.MapDataset:
    def bucket(number: int, bucket: Bucket) -> grain.MapDataset:
        to_sample = partial(ToSample, text, prefix=run.model.prefix, fps=source.index.fps, drop_text=run.drop_text)
        return pipeline.batches(
            source,
            batch_size=bucket.batch_size,
            seed=run.loop.seed + number,
            transform=to_sample(frames=bucket.frames),
        )

    parts = []
    for n, stage in enumerate(run.stages):
        # A seed of its own for each bucket of each stage: none repeats another's order.
        datasets = [bucket(1000 * n + i, b) for i, b in enumerate(stage.buckets)]
        parts.append((stage.steps, pipeline.mix(datasets, stage.weights) if len(datasets) > 1 else datasets[0]))
    return pipeline.stages(parts)
