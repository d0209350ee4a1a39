"""The config of a language model's training. Plain Python."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from reelm.data.tokens.config import Bucket, Captions, Stage
from reelm.errors import RequestError
from reelm.lm.mesh import MeshSpec
from reelm.lm.net.config import Kernel, LMConfig, Remat
from reelm.lm.specials import PictureKind
from reelm.train.run.config import LoopConfig
from reelm.train.run.config_changes import FREE
from reelm.train.step.optimizer import OptimizerConfig
from reelm.value_checks import check_above, check_choice, check_least, check_shares


@dataclass(frozen=True, kw_only=True)
class LMRun:
    """The config of a run; `reelm train lm` overrides any field by its dotted name."""

    model: LMConfig = field(default_factory=LMConfig)
    """Sizes of the language model."""
    tokens: tuple[Path, ...] = (Path("tokens"),)
    """Token sets from `reelm data tokenize`, all made with one tokenizer. A model with sound needs codes of sound."""
    held_out: tuple[Path, ...] = ()
    """Token sets of clips outside the training, for evaluations."""
    captions: Captions = "all"
    """Caption of a clip that is read: a random one of "all", always the "first", for a model with prompt retrieval, or
    always the "last", which is Chinese in sets with two languages."""
    video_tokenizer: Path | None = None
    """Video tokenizer that made the tokens, to decode samples during training. Default: no samples."""
    audio_tokenizer: Path | None = None
    """Audio tokenizer that made the tokens, to decode samples with sound. Default: silent samples."""
    text_encoder: Path | None = None
    """Folder of the frozen text encoder (a sentence encoder, T5 or a language model), for a model with a `text_width`.
    Default: the text tokenizer of `start_from`, or one trained on the captions."""
    stages: tuple[Stage, ...] = (Stage(),)
    """Stages of the run. A first stage of images teaches what things look like at a fraction of the cost of clips."""
    batch_scale: float = 1.0
    """Factor of the batch size of every bucket, such as 0.5 for a smaller device."""
    caption_dropout: float = 0.1
    """Probability of dropping the words of a sample, which guidance needs. A bucket can set its own."""
    control_dropout: float = 0.1
    """Probability of dropping each control input, such as keys or tracks, independently. Control clips are kept in
    three of ten of the samples with other inputs: with a control clip, the model would learn nothing from tracks or
    cameras."""
    sound_decay: float = 1.0
    """Weight of each level of sound in the loss, relative to the level before. Below 1 the coarse levels count more."""
    first_frame: float = 1.0
    """Weight of a clip's first latent frame in the loss. Use less than 1 for a model that continues pictures: a first
    frame is hard to predict, so it costs ten times the nats of a later one and would dominate the loss."""
    noise_augmentation: float = 0.0
    """Largest fraction of input codes with wrong bits, so that the model learns to recover from errors. The fraction of
    each sample is uniform from 0 to this."""
    last_frame_dropout: float = 0.0
    """Probability that each code of the last latent frame is predicted only from earlier frames. Otherwise only the
    first few codes of a frame learn the effect of a key, and the others copy it from those."""
    start_from: Path | None = None
    """Language model to start from: workdir of a training, model folder or shipped model. Default: fresh weights."""
    freeze_known: bool = False
    """Train only the parameters that `start_from` lacks, such as another control input. All other weights, and the
    clips that they make, stay the same to the bit."""
    z_loss: float = 1e-4
    """Weight of the squared log-normaliser (z-loss)."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of activations. Parameters are float32."""
    attention: Literal["auto"] | Kernel = "auto"
    """Attention kernel of the training step. "auto" takes the fused kernel of the device where there is one."""
    remat: Remat = "full"
    """Activations that a layer keeps for the backward pass: "full" recomputes all, "dots" keeps matmul results, "none"
    keeps all."""
    accumulate: int = 1
    """Parts that a batch is split into to save memory. Gradients are summed."""
    mesh: MeshSpec = field(default_factory=MeshSpec, metadata=FREE)
    """Devices of the run, as in `--mesh data=2,fsdp=4`."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Optimizer of the language model."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=10_000))
    """Length of the run and its reports."""

    def __post_init__(self) -> None:
        check_choice(self, "captions", get_args(Captions))
        check_choice(self, "dtype", ("float32", "bfloat16"))
        check_choice(self, "attention", ("auto", *get_args(Kernel)))
        check_choice(self, "remat", get_args(Remat))
        check_shares(
            self, "caption_dropout", "control_dropout", "first_frame", "noise_augmentation", "last_frame_dropout"
        )
        check_least(self, 1, "accumulate")
        check_least(self, 0, "sound_decay", "z_loss")
        if self.freeze_known and (self.start_from is None or self.optimizer.weight_decay):
            raise RequestError("freeze_known keeps the weights of start_from; name one, and leave out weight_decay")
        check_above(self, 0, "batch_scale")
        if not self.stages:
            raise RequestError("stages is empty; a run has at least one stage")
        if not self.model.references and any(bucket.references for bucket in self.buckets):
            raise RequestError(
                f"a bucket has references, which {self.model.picture_kinds} picture_kinds do not include; take "
                f"{PictureKind.REFERENCE + 1} (--model.picture-kinds {PictureKind.REFERENCE + 1})"
            )
        for size in (bucket.batch_size for stage in self.stages for bucket in stage.buckets):
            if size * self.batch_scale % 1:
                raise RequestError(f"batch_scale {self.batch_scale} does not make {size} clips a whole number")

    @property
    def scaled_stages(self) -> tuple[Stage, ...]:
        """The stages, with scaled batch sizes."""
        return tuple(replace(stage, buckets=tuple(map(self._scaled, stage.buckets))) for stage in self.stages)

    @property
    def buckets(self) -> list[Bucket]:
        """The buckets of all stages, with scaled batch sizes."""
        return [bucket for stage in self.scaled_stages for bucket in stage.buckets]

    def _scaled(self, bucket: Bucket) -> Bucket:
        return replace(bucket, batch_size=int(bucket.batch_size * self.batch_scale))
