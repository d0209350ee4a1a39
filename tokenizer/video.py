"""The video tokenizer: clips to codes and back, whole or in chunks.

In: frames `uint8 [T, H, W, 3]` or float in [-1, 1], a batch axis in front if wanted. Out: ids `int32 [B, t, h, w]`, and
from ids frames `uint8 [B, T, H, W, 3]`. T = 1 + 4k frames make t = 1 + k latent frames: the first stands alone, so an
image is a clip of one frame. Knows nothing of language models, files or training.
"""

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from typing import cast, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct, traverse_util
from jax.typing import DTypeLike

from .codes import CodeSpec, bits_to_ids, check_ids, ids_to_bits
from .convolution import History
from .decoder import Decoder
from .encoder import Encoder
from .quantizer import Quantizer, quantize, to_sphere
from .request import RequestError


@dataclass(frozen=True, kw_only=True)
class VideoTokenizerConfig:
    """Sizes of the nets. Stages run from fine to coarse; patch and strides together make the 4 x 8 x 8 stride.

    Attributes:
        bits: sign bits of a code, up to 30.
        quantizer: "lfq", or "bsq" to train on latents that are projected to a sphere first.
        patch: frames, rows and columns folded into channels before the first convolution and after the last.
        encoder_channels, decoder_channels: width of each stage.
        strides: (time, space) stride between one stage and the next; one fewer than stages.
        encoder_blocks, decoder_blocks: residual blocks a stage.
        encoder_kernel, decoder_kernel: (time, rows, columns) of the convolutions. An encoder with one time tap gives
            the same code to the same motion wherever in the clip it happens, which a language model learns sooner.
        background: value in [-1, 1] of the constant picture that an untrained decoder paints.
    """

    bits: int = 18
    quantizer: Quantizer = "lfq"
    patch: tuple[int, int, int] = (4, 8, 8)
    encoder_channels: tuple[int, ...] = (128,)
    decoder_channels: tuple[int, ...] = (128,)
    strides: tuple[tuple[int, int], ...] = ()
    encoder_blocks: int = 2
    decoder_blocks: int = 4
    encoder_kernel: tuple[int, int, int] = (3, 3, 3)
    decoder_kernel: tuple[int, int, int] = (3, 3, 3)
    background: float = -1.0

    def __post_init__(self):
        # Lists come from JSON; a config must hash.
        for name in ("patch", "encoder_channels", "decoder_channels", "encoder_kernel", "decoder_kernel"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "strides", tuple(tuple(stride) for stride in self.strides))
        for channels in (self.encoder_channels, self.decoder_channels):
            if len(self.strides) != len(channels) - 1:
                raise RequestError(
                    f"{len(channels)} stages need {len(channels) - 1} strides between them, not {len(self.strides)}"
                )
        if self.patch[1] != self.patch[2]:
            raise RequestError(f"patches are square in space, not {self.patch[1]}x{self.patch[2]}")
        if self.quantizer not in get_args(Quantizer):
            raise RequestError(f"the quantizer is {' or '.join(get_args(Quantizer))}, not {self.quantizer!r}")
        CodeSpec(bits=self.bits)

    @property
    def code(self) -> CodeSpec:
        return CodeSpec(bits=self.bits)

    @property
    def time_stride(self) -> int:
        return int(np.prod([self.patch[0], *(time for time, _ in self.strides)]))

    @property
    def space_stride(self) -> int:
        return int(np.prod([self.patch[1], *(space for _, space in self.strides)]))

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        """(t, h, w) of a clip of this shape; RequestError naming the nearest valid shape when it has none."""
        time, space = self.time_stride, self.space_stride
        if frames < 1 or (frames - 1) % time or height < 1 or width < 1 or height % space or width % space:
            nearest = (1 + time * max(0, round((frames - 1) / time)), *(_nearest(n, space) for n in (height, width)))
            raise RequestError(
                f"{frames} frames of {height}x{width} do not fit: frames must be 1 + {time}k, height and width "
                f"multiples of {space}; the nearest valid shape is {nearest[0]} frames of {nearest[1]}x{nearest[2]}"
            )
        return 1 + (frames - 1) // time, height // space, width // space

    def encoder(self, dtype: DTypeLike | None = None) -> Encoder:
        kernel, blocks = self.encoder_kernel, self.encoder_blocks
        return Encoder(self.bits, self.patch, self.encoder_channels, self.strides, blocks, kernel, dtype)

    def decoder(self, dtype: DTypeLike | None = None) -> Decoder:
        kernel, blocks = self.decoder_kernel, self.decoder_blocks
        return Decoder(self.patch, self.decoder_channels, self.strides, blocks, kernel, self.background, dtype)


def init_params(config: VideoTokenizerConfig, key: jax.Array) -> dict:
    """Fresh parameters {"encoder": ..., "decoder": ...} as nested dicts of float32."""
    encoder_key, decoder_key = jax.random.split(key)
    frames, size = 1 + config.time_stride, 2 * config.space_stride
    video = jnp.zeros((1, frames, size, size, 3))
    latent = jnp.zeros((1, *config.latent_shape(frames, size, size), config.bits))
    return {
        "encoder": config.encoder().init(encoder_key, video, History())["params"],
        "decoder": config.decoder().init(decoder_key, latent, History())["params"],
    }


class ChunkState(struct.PyTreeNode):
    """What streaming remembers between chunks: nothing but a few frames of activations per layer.

    Attributes:
        shape: (batch, rows, columns) of what is streamed, pixels for encoding, codes for decoding.
        past: per causal layer `float [B, frames kept, rows, columns, C]`; None before the first chunk.
    """

    shape: tuple[int, int, int] = struct.field(pytree_node=False)
    past: tuple[jax.Array, ...] | None = None


def _apply(net: Encoder | Decoder, params: dict, x: jax.Array, history: History) -> jax.Array:
    return cast(jax.Array, net.apply({"params": params}, x, history))


@partial(jax.jit, static_argnums=0)
def _encode(config: VideoTokenizerConfig, params: dict, video: jax.Array, past):
    history = History(past)
    latent = _apply(config.encoder(), params, video, history)
    return bits_to_ids(latent >= 0), history.after


@partial(jax.jit, static_argnums=0)
def _decode(config: VideoTokenizerConfig, params: dict, ids: jax.Array, past):
    history = History(past)
    latent = jnp.where(ids_to_bits(ids, config.bits), 1.0, -1.0)
    video = _apply(config.decoder(), params, latent, history)
    return jnp.round((jnp.clip(video, -1, 1) + 1) * 127.5).astype(jnp.uint8), history.after


def autoencode(config: VideoTokenizerConfig, params: dict, video: jax.Array, dtype: DTypeLike | None = None):
    """One differentiable pass: video `float [B, T, H, W, 3]` -> (the rebuilt video, latents `[B, t, h, w, K]`).

    The latents are those whose signs are the codes: with "bsq", projected to the sphere.
    """
    latent = _apply(config.encoder(dtype), params["encoder"], video, History())
    latent = to_sphere(latent) if config.quantizer == "bsq" else latent
    return _apply(config.decoder(dtype), params["decoder"], quantize(latent), History()), latent


@dataclass(frozen=True)
class VideoTokenizer:
    """A trained tokenizer. `config` is static; `params` is {"encoder": ..., "decoder": ...}.

    `identity` names the codes: weights that were stored with fewer bits keep the name they had when trained.
    """

    config: VideoTokenizerConfig
    params: dict = field(repr=False)
    identity: str | None = None

    def encode(self, video) -> np.ndarray:
        """Codes of clips.

        Args:
            video: uint8, or float in [-1, 1], `[T, H, W, 3]` or `[B, T, H, W, 3]`, T = 1 + 4k, H and W multiples of 8.

        Returns:
            int32 `[B, t, h, w]` (B = 1 when no batch axis was given).

        Raises:
            RequestError (a ValueError): another shape, naming the nearest valid one; another type or range.
        """
        video = _batched(check_video(video))
        self.config.latent_shape(*video.shape[1:4])
        return np.asarray(_encode(self.config, self.params["encoder"], as_float(video), None)[0])

    def decode(self, ids) -> np.ndarray:
        """Frames of codes: int32 `[t, h, w]` or `[B, t, h, w]` -> uint8 `[B, 1 + 4 (t - 1), 8 h, 8 w, 3]`."""
        ids = np.asarray(ids)
        if ids.ndim not in (3, 4) or 0 in ids.shape:
            raise RequestError(f"codes have the shape [t, h, w] or [B, t, h, w], not {list(ids.shape)}")
        check_ids(ids, self.config.code)
        ids = ids[None] if ids.ndim == 3 else ids
        return np.asarray(_decode(self.config, self.params["decoder"], jnp.asarray(ids, jnp.int32), None)[0])

    def reconstruct(self, video) -> np.ndarray:
        """Encode and decode clips of any length and size; returns uint8 of exactly the shape given.

        A clip that does not fit is extended by its last frame, row and column, and the result is cropped.
        """
        video = check_video(video)
        batch = _batched(video)
        frames, height, width = batch.shape[1:4]
        time, space = self.config.time_stride, self.config.space_stride
        pad = [(0, 0), (0, -(frames - 1) % time), (0, -height % space), (0, -width % space), (0, 0)]
        rebuilt = self.decode(self.encode(np.pad(batch, pad, mode="edge")))
        return rebuilt[:, :frames, :height, :width].reshape(video.shape)

    def init_encode_state(self, *, batch: int = 1, height: int, width: int) -> ChunkState:
        """State before the first chunk of `encode_chunk`, for clips of this size in pixels."""
        self.config.latent_shape(1, height, width)
        return ChunkState(shape=(batch, height, width))

    def encode_chunk(self, frames, state: ChunkState) -> tuple[np.ndarray, ChunkState]:
        """Codes of the next frames of a stream: 1 + 4k frames first, then 4k at a time; any cut gives the same ids."""
        video = _batched(check_video(frames))
        self._check_chunk(video.shape[:1] + video.shape[2:4], state, "frames")
        self.config.latent_shape(video.shape[1] + (state.past is not None), *video.shape[2:4])
        ids, past = _encode(self.config, self.params["encoder"], as_float(video), state.past)
        return np.asarray(ids), state.replace(past=past)

    def init_decode_state(self, *, batch: int = 1, height: int, width: int) -> ChunkState:
        """State before the first chunk of `decode_chunk`, for clips of this size in pixels."""
        return ChunkState(shape=(batch, *self.config.latent_shape(1, height, width)[1:]))

    def decode_chunk(self, ids, state: ChunkState) -> tuple[np.ndarray, ChunkState]:
        """Frames of the next latent frames `int32 [B, t, h, w]` of a stream, from one latent frame at a time."""
        ids = np.asarray(ids)
        ids = ids[None] if ids.ndim == 3 else ids
        check_ids(ids, self.config.code)
        self._check_chunk(ids.shape[:1] + ids.shape[2:4], state, "codes")
        video, past = _decode(self.config, self.params["decoder"], jnp.asarray(ids, jnp.int32), state.past)
        return np.asarray(video), state.replace(past=past)

    @staticmethod
    def _check_chunk(shape: tuple[int, ...], state: ChunkState, what: str) -> None:
        if shape != state.shape:
            raise RequestError(f"the stream began with {what} of (batch, rows, columns) {state.shape}, not {shape}")

    @cached_property
    def hash(self) -> str:
        """Sixteen hex digits that name these codes: `identity`, otherwise made from the encoder's config and weights.

        A decoder may be trained further on the same codes, so it has no part in their name; nor has the quantizer,
        which shapes training alone.
        """
        if self.identity is not None:
            return self.identity
        config = {name: v for name, v in asdict(self.config).items() if not name.startswith(("decoder", "quantizer"))}
        digest = hashlib.sha256(repr(sorted(config.items())).encode())
        for path, leaf in sorted(traverse_util.flatten_dict(self.params["encoder"], sep="/").items()):
            digest.update(path.encode() + np.asarray(leaf, np.float32).tobytes())
        return digest.hexdigest()[:16]


def check_video(video) -> np.ndarray:
    """`video` as an array, once it is known to be uint8, or finite float in [-1, 1], `[(B,) T, H, W, 3]`."""
    video = np.asarray(video)
    if video.ndim not in (4, 5) or video.shape[-1] != 3 or 0 in video.shape:
        raise RequestError(f"a video has the shape [T, H, W, 3] or [B, T, H, W, 3], not {list(video.shape)}")
    if video.dtype != np.uint8:
        if not np.issubdtype(video.dtype, np.floating):
            raise RequestError(f"a video is uint8, or float in [-1, 1], not {video.dtype}")
        low, high = float(video.min()), float(video.max())
        if not (low >= -1 and high <= 1):  # written so that NaN fails too
            raise RequestError(f"float video lies in [-1, 1], this one in [{low:g}, {high:g}]; pass uint8 for 0 to 255")
    return video


def as_float(video: np.ndarray) -> np.ndarray:
    """Checked frames as float32 in [-1, 1]."""
    return np.asarray(video, np.float32) / 127.5 - 1 if video.dtype == np.uint8 else np.asarray(video, np.float32)


def _batched(video: np.ndarray) -> np.ndarray:
    return video[None] if video.ndim == 4 else video


def _nearest(size: int, stride: int) -> int:
    return max(stride, stride * round(size / stride))
