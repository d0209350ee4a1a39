"""The video tokenizer: encodes clips to codes and decodes codes to clips, whole or in chunks.

In: frames `uint8 [T, H, W, 3]` or float in [-1, 1], with an optional batch axis in front. Out: ids `[B, t, h, w]`,
int32, or int64 for codes of more than 30 bits; and from ids frames `uint8 [B, T, H, W, 3]`. T = 1 + ks frames make t =
1 + k latent frames at a stride of s in time. The first latent frame is one frame, so an image is a clip of one frame.
This module knows nothing of language models, files or training.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from reelm.errors import RequestError
from reelm.programs.program import program
from reelm.tokenizer import device_memory
from reelm.tokenizer.codes import WORD_BITS, check_ids, ids_to_signs, latents_to_ids, to_device, to_host
from reelm.tokenizer.families import VideoConfig
from reelm.tokenizer.history import History
from reelm.tokenizer.identity import codes_hash
from reelm.value_checks import array, untraced, whole

from . import tiling

if TYPE_CHECKING:
    import flax.linen as nn


def init_params(config: VideoConfig, key: jax.Array) -> dict:
    """Return fresh parameters {"encoder": ..., "decoder": ...} as nested dicts of float32."""
    encoder_key, decoder_key = jax.random.split(key)
    frames, size = 1 + config.time_stride, 2 * config.space_stride
    video = jnp.zeros((1, frames, size, size, 3))
    latent = jnp.zeros((1, *config.latent_shape(frames, size, size), config.bits))

    def draw(net: "nn.Module", key: jax.Array, x: jax.Array) -> dict:
        # The compiler removes all of the net except the random draws.
        return jax.jit(lambda key, x: net.init(key, x, History())["params"])(key, x)

    return {
        "encoder": draw(config.encoder(), encoder_key, video),
        "decoder": draw(config.decoder(), decoder_key, latent),
    }


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class ChunkState:
    """The state of a stream between chunks: a few frames of activations per layer.

    Attributes:
        shape: (batch, rows, columns) of the stream, in pixels for encoding, in codes for decoding.
        past: per causal layer `float [B, frames kept, rows, columns, C]`; None before the first chunk.
    """

    shape: tuple[int, int, int] = field(metadata={"static": True})
    past: tuple[jax.Array, ...] | None = None

    def cut(self) -> "ChunkState":
        """Return the state after a cut to another shot: zeros, as before the start of a clip.

        Without it the net would draw the first frames of the shot from those of the shot before.
        """
        none = jax.tree.map(lambda leaf: jax.device_put(np.zeros(leaf.shape, leaf.dtype), leaf.sharding), self.past)
        return replace(self, past=none)


def _apply(net: "nn.Module", params: dict, x: jax.Array, history: History) -> jax.Array:
    return cast(jax.Array, net.apply({"params": params}, x, history))


@program(static=("config", "keep"))
def _encode(config: VideoConfig, params: dict, video: jax.Array, past, keep: bool):
    """Return (ids, the history for the next chunk if `keep`)."""
    history = History(past)
    latent = _apply(config.encoder(), params, video, history)
    return latents_to_ids(latent), history.after if keep else None


@program(static=("config", "keep"))
def _decode(config: VideoConfig, params: dict, ids: jax.Array, past, keep: bool):
    """Return (frames uint8 decoded from ids `[B, (t,) h, w]`, the history for the next chunk if `keep`)."""
    history = History(past)
    signs = ids_to_signs(ids, config.bits)
    signs = signs[:, None] if signs.ndim == 4 else signs
    video = _apply(config.decoder(), params, signs, history)
    return jnp.round((jnp.clip(video, -1, 1) + 1) * 127.5).astype(jnp.uint8), history.after if keep else None


def autoencode(config: VideoConfig, params: dict, video: jax.Array, dtype: DTypeLike | None = None):
    """Rebuild video `float [B, T, H, W, 3]` differentiably: return (the rebuilt video, latents `[B, t, h, w, K]`).

    The signs of the latents are the codes. With "bsq" the latents are projected to the sphere.
    """
    from .net import VideoNet

    return cast(tuple[jax.Array, jax.Array], VideoNet(config, dtype).apply({"params": params}, video))


@dataclass(frozen=True)
class VideoTokenizer:
    """A trained video tokenizer. `config` is static; `params` is {"encoder": ..., "decoder": ...}.

    `identity` names the codes: weights that are stored with fewer bits keep the name of the trained weights.
    """

    config: VideoConfig
    params: dict = field(repr=False)
    identity: str | None = None

    def encode(self, video, *, tile: int | None = None, overlap: int = 64) -> np.ndarray:
        """Return the codes of clips.

        Args:
            video: uint8, or float in [-1, 1], `[T, H, W, 3]` or `[B, T, H, W, 3]`; T is 1 + k `time_stride` of the
                config, H and W are multiples of its `space_stride`.
            tile: side in pixels of the tiles in which larger frames are encoded, to save memory; None encodes whole
                frames. With tiles a few codes differ, most where tiles meet: for a film of 17x256x320 in tiles of 128,
                99.1% of the codes of `natural` were the same.
            overlap: pixels that neighbouring tiles share.

        Returns:
            int32 `[B, t, h, w]` (B = 1 when no batch axis was given); int64 for codes of more than 30 bits.

        Raises:
            RequestError (a ValueError): the shape is wrong, and the message names the nearest valid one; the type or
                range is wrong; or the clips do not fit in memory, and the message names what fits.
        """
        video = _batched(check_video(video))
        self.config.latent_shape(*video.shape[1:4])
        if tile is not None:
            side, shared = self.tile_in_codes(tile, overlap)
            return tiling.map_codes(self.encode, video, self.config.space_stride, side, shared)
        self.check_memory("encoding", video.shape[0], *video.shape[1:4])
        ids, _ = _encode(self.config, self._own("encoder"), as_float(video), None, False)
        return to_host(ids, self.config.bits)

    def decode(self, ids, *, tile: int | None = None, overlap: int = 64, cuts: Sequence[int] = ()) -> np.ndarray:
        """Return the frames of codes: integers `[t, h, w]` or `[B, t, h, w]` -> uint8 `[B, T, H, W, 3]`.

        T is 1 + (t - 1) `time_stride` of the config, H and W are h and w times its `space_stride`. `tile` and `overlap`
        are as in `encode`; overlapping tiles are cross-faded. `cuts` are the latent frames that begin another shot, in
        order: they are decoded without the frames before them.
        """
        ids = self._checked(ids)
        if tile is not None:
            side, shared = self.tile_in_codes(tile, overlap)
            return tiling.map_pixels(partial(self.decode, cuts=cuts), ids, self.config.space_stride, side, shared)
        if len(cuts):
            return self._decode_shots(ids, [whole("a cut", cut, least=1) for cut in cuts])
        self.check_memory("decoding", ids.shape[0], *self._pixels(ids.shape[1:]))
        return np.asarray(_decode(self.config, self._own("decoder"), self._on_device(ids), None, False)[0])

    def reconstruct(self, video, *, tile: int | None = None, overlap: int = 64) -> np.ndarray:
        """Encode and decode clips of any length and size; return uint8 of exactly the shape given.

        A clip that does not fit is padded with its last frame, row and column, and the result is cropped. Long clips
        are processed in chunks, so only the clip itself grows with its length. `tile` and `overlap` are as in `encode`.
        """
        video = check_video(video)
        batch = _batched(video)
        frames, height, width = batch.shape[1:4]
        time, space = self.config.time_stride, self.config.space_stride
        # Chunks have one length, so that no extra program is compiled for the last.
        long = frames > 1 + self.config.chunk * time
        chunk = self.config.chunk * time if long else time
        pad = [(0, 0), (0, -(frames - 1) % chunk), (0, -height % space), (0, -width % space), (0, 0)]
        padded = np.pad(batch, pad, mode="edge")
        if tile is None:
            rebuilt = self._reconstruct_chunks(padded)
        else:
            side, shared = self.tile_in_codes(tile, overlap)
            ids = tiling.map_codes(self._encode_chunks, padded, space, side, shared)
            rebuilt = tiling.map_pixels(self._decode_chunks, ids, space, side, shared)
        return rebuilt[:, :frames, :height, :width].reshape(video.shape)

    def _reconstruct_chunks(self, video: np.ndarray) -> np.ndarray:
        return self._decode_chunks(self._encode_chunks(video))

    def _encode_chunks(self, video: np.ndarray) -> np.ndarray:
        step = self.config.chunk * self.config.time_stride
        if video.shape[1] <= 1 + step:
            return self.encode(video)
        state = self.init_encode_state(batch=video.shape[0], height=video.shape[2], width=video.shape[3])
        parts = []
        for chunk in np.split(video, range(1 + step, video.shape[1], step), axis=1):
            ids, state = self.encode_chunk(chunk, state)
            parts.append(ids)
        return np.concatenate(parts, axis=1)

    def _decode_shots(self, ids: np.ndarray, cuts: Sequence[int]) -> np.ndarray:
        if list(cuts) != sorted({*cuts}) or cuts[-1] >= ids.shape[1]:
            raise RequestError(f"cuts are latent frames from 1 to {ids.shape[1] - 1}, in order, not {list(cuts)}")
        height, width = (n * self.config.space_stride for n in ids.shape[2:])
        state, shots = self.init_decode_state(batch=ids.shape[0], height=height, width=width), []
        for shot in np.split(ids, cuts, axis=1):
            frames, state = self.decode_chunk(shot, state.cut())
            shots.append(frames)
        return np.concatenate(shots, axis=1)

    def _decode_chunks(self, ids: np.ndarray) -> np.ndarray:
        if ids.shape[1] <= 1 + self.config.chunk:
            return self.decode(ids)
        height, width = (n * self.config.space_stride for n in ids.shape[2:])
        state, parts = self.init_decode_state(batch=ids.shape[0], height=height, width=width), []
        for chunk in np.split(ids, range(1 + self.config.chunk, ids.shape[1], self.config.chunk), axis=1):
            frames, state = self.decode_chunk(chunk, state)
            parts.append(frames)
        return np.concatenate(parts, axis=1)

    def tile_in_codes(self, tile: int | None, overlap: int) -> tuple[int, int]:
        """Return (side of a tile, overlap of neighbours) in codes; None means one tile of any size.

        Raises RequestError when they do not fit whole codes, or each other.
        """
        if tile is None:
            return sys.maxsize, 0
        space, tile, overlap = self.config.space_stride, whole("tile", tile), whole("overlap", overlap)
        if tile % space or overlap % space or not 0 < overlap < tile:
            raise RequestError(
                f"tiles of {tile} pixels with an overlap of {overlap} do not fit: both must be multiples of {space}, "
                "and the overlap above 0 and below the tile"
            )
        return tile // space, overlap // space

    def _checked(self, ids) -> np.ndarray:
        ids = array("codes", ids)
        if ids.ndim not in (3, 4) or 0 in ids.shape:
            raise RequestError(f"codes have the shape [(B,) t, h, w], each 1 or more, not {list(ids.shape)}")
        check_ids(ids, self.config.code)
        return ids[None] if ids.ndim == 3 else ids

    def _on_device(self, ids: np.ndarray) -> jax.Array:
        return jnp.asarray(to_device(ids, self.config.bits))

    def _own(self, part: str) -> dict:
        """Return the parameters of the "encoder" or "decoder"; RequestError where JAX traces them."""
        # Codes are integers: a gradient through them would silently be zero.
        untraced("a parameter", *jax.tree.leaves(self.params[part]))
        return self.params[part]

    def _pixels(self, latent: tuple[int, ...]) -> tuple[int, int, int]:
        """Return (frames, height, width) of clips of this latent shape."""
        t, h, w = latent
        return 1 + (t - 1) * self.config.time_stride, h * self.config.space_stride, w * self.config.space_stride

    def check_memory(self, doing: str, batch: int, frames: int, height: int, width: int) -> None:
        """Raise a RequestError that names what fits, if "encoding" or "decoding" these clips at once does not fit."""
        estimate = self.config.encode_bytes if doing == "encoding" else self.config.decode_bytes
        free, shape = device_memory.free_bytes(), (batch, frames, height, width)
        if free is not None and estimate(*shape) > free:
            strides = self.config.time_stride, self.config.space_stride
            raise device_memory.too_large(doing, estimate, free, *shape, *strides)

    def init_encode_state(self, *, batch: int = 1, height: int, width: int) -> ChunkState:
        """Return the state before the first chunk of `encode_chunk`, for clips of this size in pixels."""
        batch, height, width = _sizes(batch, height, width)
        self.config.latent_shape(1, height, width)
        return ChunkState(shape=(batch, height, width))

    def encode_chunk(self, frames, state: ChunkState) -> tuple[np.ndarray, ChunkState]:
        """Return the codes of the next frames of a stream; chunking does not change the ids.

        A stream begins with 1 + k `time_stride` frames and goes on with k `time_stride` at a time.
        """
        video = _batched(check_video(frames))
        self._check_chunk(video.shape[:1] + video.shape[2:4], state, "frames")
        self.config.latent_shape(video.shape[1] + (state.past is not None), *video.shape[2:4])
        self.check_memory("encoding", video.shape[0], *video.shape[1:4])
        ids, past = _encode(self.config, self._own("encoder"), as_float(video), state.past, True)
        return to_host(ids, self.config.bits), replace(state, past=past)

    def init_decode_state(self, *, batch: int = 1, height: int, width: int) -> ChunkState:
        """Return the state before the first chunk of `decode_chunk`, for clips of this size in pixels."""
        batch, height, width = _sizes(batch, height, width)
        return ChunkState(shape=(batch, *self.config.latent_shape(1, height, width)[1:]))

    def decode_chunk(self, ids, state: ChunkState) -> tuple[np.ndarray, ChunkState]:
        """Return the frames of the next latent frames of a stream, integers `[B, t, h, w]`, t of 1 or more."""
        video, state = self.decode_ahead(self._on_device(self._checked(ids)), state)
        return np.asarray(video), state

    def decode_ahead(self, ids: jax.Array, state: ChunkState) -> tuple[jax.Array, ChunkState]:
        """Decode valid codes on the device as `decode_chunk` does, without waiting for the frames.

        ids: in the form of a device (`codes.py`), `[B, t, h, w]`, or `[B, h, w]` of one latent frame.
        """
        batch, *latent = ids.shape[: ids.ndim - (self.config.bits > WORD_BITS)]
        t, h, w = latent if len(latent) == 3 else (1, *latent)
        self._check_chunk((batch, h, w), state, "codes")
        self.check_memory("decoding", batch, *self._pixels((t, h, w)))
        video, past = _decode(self.config, self._own("decoder"), ids, state.past, True)
        return video, replace(state, past=past)

    def prepare_decoding(self, *, batch: int = 1, height: int, width: int) -> None:
        """Start to compile the program that `decode_ahead` runs for single latent frames of this size in pixels."""
        none = to_device(np.zeros((batch, *self.config.latent_shape(1, height, width)[1:]), int), self.config.bits)
        ids = jax.ShapeDtypeStruct(none.shape, none.dtype)
        _, past = _decode.prepare(self.config, self.params["decoder"], ids, None, True)
        _decode.prepare(self.config, self.params["decoder"], ids, past, True)

    def _check_chunk(self, shape: tuple[int, ...], state: ChunkState, what: str) -> None:
        if shape != state.shape:
            raise RequestError(f"the stream began with {what} of (batch, rows, columns) {state.shape}, not {shape}")

    @cached_property
    def hash(self) -> str:
        """Sixteen hex digits that identify these codes: `identity`, else a hash of the encoder's config and weights.

        The decoder is not hashed, since it may be trained further on the same codes. Neither is the choice between
        quantizers of signs, which matters only in training.
        """
        if self.identity is not None:
            return self.identity
        return codes_hash(self.config.code_fields, self.params["encoder"])


def check_video(video) -> np.ndarray:
    """Return `video` as an array; RequestError unless it is uint8, or float in [-1, 1], `[(B,) T, H, W, 3]`."""
    video = array("a video", video)
    if video.ndim not in (4, 5) or video.shape[-1] != 3 or 0 in video.shape:
        raise RequestError(f"a video has the shape [T, H, W, 3] or [B, T, H, W, 3], not {list(video.shape)}")
    if video.dtype != np.uint8:
        if not np.issubdtype(video.dtype, np.floating):
            raise RequestError(f"a video is uint8, or float in [-1, 1], not {video.dtype}")
        low, high = float(video.min()), float(video.max())
        if not (low >= -1 and high <= 1):  # written so that NaN fails too
            raise RequestError(f"float video must be in [-1, 1], not [{low:g}, {high:g}]; pass uint8 for 0 to 255")
    return video


def as_float(video: np.ndarray) -> np.ndarray:
    """Return checked frames as float32 in [-1, 1]."""
    return np.asarray(video, np.float32) / 127.5 - 1 if video.dtype == np.uint8 else np.asarray(video, np.float32)


def _sizes(batch: int, height: int, width: int) -> tuple[int, int, int]:
    return whole("batch", batch, least=1), whole("height", height), whole("width", width)


def _batched(video: np.ndarray) -> np.ndarray:
    return video[None] if video.ndim == 4 else video
