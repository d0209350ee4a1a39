"""Training the language model: token sets in, a trained Transformer and its text tokenizer out.

`reelm train lm CONFIG --workdir DIR` ends here. A step reads a batch of clips of one length and descends on the cross
entropy of their codes, with a small penalty on the logits' scale (z-loss, PaLM, arXiv 2204.02311, section 5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import grain
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from reelm.lm.stream import HEAD, Layout, prefix_ids, without_text
from reelm.lm.transformer import LMConfig, head, init_params, score
from reelm.sampling.model import Defaults, LanguageModel, Model
from reelm.tokenizer.codes import ids_to_sub_tokens
from reelm.tokenizer.request import RequestError
from reelm.tokenizer.text import TextTokenizer

from . import loop, pipeline, state
from .contact_sheet import contact_sheet
from .loop import LoopConfig
from .mixture import Bucket, Stage, mixture
from .optimizer import OptimizerConfig, make_step
from .state import TrainState
from .throughput import Load
from .tokens import TokenSource, open_tokens
from .video_tokenizer import open_tokenizer

TEXT_FILE = "text.model"
_EVALUATION_BATCHES = 16
_SAMPLES = 4  # clips made at a time while training, of the first captions that a prompt can hold


@dataclass(frozen=True, kw_only=True)
class LMRun:
    """Everything that decides a run; `reelm train lm` overrides any field by its dotted name.

    Attributes:
        model: sizes of the net.
        tokens: folders that `reelm data tokenize` wrote, all by one tokenizer.
        video_tokenizer: what made the tokens, to turn samples into clips while training; None for no samples.
        held_out: token sets of clips not trained on, for evaluations.
        stages: lengths of clips over the run; images first teach what things look like at a fraction of a clip's cost.
        drop_text: share of samples whose words are taken out, so that guidance has an unconditional model.
        z_loss: weight of the squared log-normaliser.
        dtype: number format of activations; parameters are float32.
    """

    model: LMConfig = field(default_factory=LMConfig)
    tokens: tuple[Path, ...] = (Path("tokens"),)
    held_out: tuple[Path, ...] = ()
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
            # Whoever captions a million clips writes some that are too long: their beginning has to do.
            text=self.text.encode(element["caption"])[: self.prefix - HEAD],
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
    sources = _open_all(run.tokens, tokenizer and tokenizer.hash)
    longest = max(bucket.frames for stage in run.stages for bucket in stage.buckets)
    if longest > run.model.frames:
        raise RequestError(f"a bucket has {longest} latent frames; the model takes {run.model.frames}")
    text = text_tokenizer(sources, run.model.text_vocabulary, workdir)

    def to_sample(source: TokenSource, bucket: Bucket) -> ToSample:
        fps, frames = source.index.fps, bucket.frames
        return ToSample(text, prefix=run.model.prefix, frames=frames, fps=fps, drop_text=run.drop_text)

    batches = mixture(run.stages, sources, to_sample, seed=run.loop.seed)
    held_out = None
    if run.held_out:
        last = replace(run.stages[-1], steps=None, token_weights=None)
        held_out = mixture([last], _open_all(run.held_out, sources[0].index.tokenizer_hash), to_sample, seed=0)
    of_ema = jax.jit(lambda params, batch: make_loss(run)(params, batch, jax.random.key(0), jnp.zeros((), jnp.int32)))

    def evaluate(current: TrainState) -> dict[str, float]:
        """Means over the first batches of the last stage's mixture of held out clips."""
        assert held_out is not None
        found: dict[str, list[float]] = {}
        for i in range(_EVALUATION_BATCHES):
            value, metrics = of_ema(current.ema, held_out[i])
            for name, number in {"loss": value, **metrics}.items():
                found.setdefault(name, []).append(float(number))
        return {name: sum(numbers) / len(numbers) for name, numbers in found.items()}

    def load(batch: Mapping[str, np.ndarray]) -> Load:
        samples, codes = batch["codes"].shape[0], batch["codes"][0].size
        slots = run.model.prefix + codes - 1
        attention = 12 * run.model.layers * run.model.heads * run.model.head_width * slots / 2  # causal: half of it
        return Load(samples, samples * codes, samples * slots * (6 * weights + attention))

    def preview(batch: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return [] if tokenizer is None else list(tokenizer.decode(batch["codes"][:8]))

    optimizer = run.optimizer.build(run.loop.steps)
    initial = state.create(init_params(run.model, jax.random.key(run.loop.seed)), optimizer, run.loop.seed)
    first, weights = sources[0], sum(leaf.size for leaf in jax.tree.leaves(initial.params) if leaf.ndim > 1)
    words = (first[i]["caption"] for i in range(min(1000, len(first))))
    fitting = (caption for caption in words if len(text.encode(caption)) <= run.model.prefix - HEAD)
    captions = list(islice(fitting, _SAMPLES)) or [""]

    def samples(current: TrainState, folder: Path) -> None:
        assert tokenizer is not None
        size = Defaults(height=first.index.usual.height, width=first.index.usual.width, fps=first.index.fps)
        model = Model("sample", tokenizer, LanguageModel(run.model, current.ema, text), size)
        clips = model.generate(captions)
        contact_sheet([clip.video for clip in clips], folder / "generated.png", columns=9)
        for number, clip in enumerate(clips):
            clip.save(folder / f"{number}.mp4")

    return loop.run(
        run.loop,
        initial,
        make_step(make_loss(run), optimizer, run.optimizer.ema),
        pipeline.iterate(batches),
        workdir,
        samples=samples if tokenizer else None,
        evaluate=None if held_out is None else evaluate,
        load=load,
        preview=preview,
        resolved={**asdict(run), "token_sets": [asdict(source.index) for source in sources]},
        label="language model",
    )


def text_tokenizer(sources: Sequence[TokenSource], vocabulary: int, workdir: Path) -> TextTokenizer:
    """The text tokenizer of a run, trained on the token sets' captions when there is none in `workdir` yet."""
    path = Path(workdir) / TEXT_FILE
    if not path.exists():
        share = 20_000 // len(sources)
        captions = [source[i]["caption"] for source in sources for i in range(min(len(source), share))]
        # A set may have no captions; bytes are then all the vocabulary there is.
        model = TextTokenizer.train(list(filter(str.strip, captions)) or ["clip"], vocabulary).model
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(model)
        temporary.replace(path)
    return TextTokenizer(path.read_bytes())


def _open_all(folders: Sequence[Path], tokenizer_hash: str | None) -> list[TokenSource]:
    """The token sets; RequestError unless one tokenizer, with that hash if one is given, made them all."""
    if not folders:
        raise RequestError("there are no tokens to train on; name folders that reelm data tokenize wrote")
    first = open_tokens(folders[0], tokenizer_hash)
    return [first, *(open_tokens(folder, first.index.tokenizer_hash) for folder in folders[1:])]
