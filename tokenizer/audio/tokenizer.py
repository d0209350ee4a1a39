"""The audio tokenizer: encodes sound to codes and decodes codes to sound, whole or in chunks.

In: samples `[S]`, `[S, C]` or `[B, S, C]` at any rate. Out: ids `int32 [B, F, levels]`, and from ids samples
`float32 [B, S, C]`. One audio frame is `hop` samples. All is causal: frame f encodes the samples from `f hop` to
`(f + 1) hop`, given all samples before. A video frame lasts a whole number of audio frames (`frames_beside`). This
module knows nothing of pictures, language models, files or training.
"""

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from reelm.errors import RequestError
from reelm.media.sound import as_float_sound, check_rate, resample, with_channels
from reelm.programs.program import program
from reelm.tokenizer.codes import check_ids, ids_to_signs, latents_to_ids
from reelm.tokenizer.history import History
from reelm.tokenizer.identity import codes_hash
from reelm.value_checks import array, untraced, whole

from .config import AudioTokenizerConfig

if TYPE_CHECKING:
    from .decoder import AudioDecoder
    from .encoder import AudioEncoder

# Hops that are encoded in one call; fewer hops take as much memory.
ENCODED_AT_ONCE = 50
# Hops that `decode` takes at once, so that memory does not grow with the length of a sound. The last piece is padded,
# so that few lengths are compiled.
DECODED_AT_ONCE = 400
_FILLED_UP_TO = 100


@partial(jax.jit, static_argnums=0)  # compiling each operation separately takes ten times longer
def init_params(config: AudioTokenizerConfig, key: jax.Array) -> dict:
    """Return fresh parameters {"encoder": ..., "decoder": ...} as nested dicts of float32."""
    encoder_key, decoder_key = jax.random.split(key)
    sound, latent = jnp.zeros((1, config.hop, config.channels)), jnp.zeros((1, 1, config.residual.size))
    return {
        "encoder": config.encoder().init(encoder_key, sound, History())["params"],
        "decoder": config.decoder().init(decoder_key, latent, History())["params"],
    }


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class SoundState:
    """The state of a stream between chunks: for each causal layer the few steps that it needs, `[B, steps, ...]`."""

    past: tuple[jax.Array, ...]

    @property
    def batch(self) -> int:
        return self.past[0].shape[0]


def _apply(net: "AudioEncoder | AudioDecoder", params: dict, x: jax.Array, history: History) -> jax.Array:
    return cast(jax.Array, net.apply({"params": params}, x, history))


@program(static=("config",))
def _encode(
    config: AudioTokenizerConfig, params: dict, sound: jax.Array, count: jax.Array, past: tuple[jax.Array, ...]
):
    """Return ids `[B, N, levels]` of the first `count` of N hops `[B, N hop, C]`, and the state for the next hop.

    This runs hop by hop, so that the codes do not depend on how a sound is cut into chunks. A matmul over more rows may
    differ in its last bit, which can change the code of a latent near zero.
    """

    def encode_hop(i: jax.Array, carried: tuple[jax.Array, tuple[jax.Array, ...]]):
        ids, past = carried
        history = History(past)
        hop = jax.lax.dynamic_slice_in_dim(sound, i * config.hop, config.hop, axis=1)
        latent = _apply(config.encoder(), params, hop, history)
        here = latents_to_ids(config.residual.remainders(latent))
        return jax.lax.dynamic_update_slice_in_dim(ids, here, i, axis=1), history.after

    ids = jnp.zeros((sound.shape[0], sound.shape[1] // config.hop, config.levels), jnp.int32)
    return jax.lax.fori_loop(0, count, encode_hop, (ids, past))


@program(static=("config",))
def _decode(config: AudioTokenizerConfig, params: dict, ids: jax.Array, past: tuple[jax.Array, ...]):
    history = History(past)
    latent = config.residual.values(ids_to_signs(ids, config.bits))
    sound = _apply(config.decoder(), params, latent, history)
    return jnp.clip(sound, -1, 1), history.after


def autoencode(
    config: AudioTokenizerConfig,
    params: dict,
    sound: jax.Array,
    dtype: DTypeLike | None = None,
    *,
    kept: jax.Array | None = None,
):
    """Rebuild sound `float [B, S, C]`, whole hops, differentiably: return (the rebuilt sound, latents `[B, F, D]`).

    kept: int `[B]`, the number of first levels that each sound keeps; None for all.
    """
    from .net import AudioNet

    return cast(tuple[jax.Array, jax.Array], AudioNet(config, dtype).apply({"params": params}, sound, kept))


@program(static=("config", "part", "batch"))
def _silence(config: AudioTokenizerConfig, part: str, batch: int) -> SoundState:
    """Return the state of the "encoder" or "decoder" before the first chunk: it has seen only silence."""
    net = config.encoder() if part == "encoder" else config.decoder()
    step = (config.hop, config.channels) if part == "encoder" else (1, config.residual.size)

    def past():
        history = History()
        net.init(jax.random.key(0), jnp.zeros((batch, *step)), history)
        return history.after

    return SoundState(past=jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(past)))


@dataclass(frozen=True)
class AudioTokenizer:
    """A trained audio tokenizer. `config` is static; `params` is {"encoder": ..., "decoder": ...}.

    `identity` names the codes: weights that are stored with fewer bits keep the name of the trained weights.
    """

    config: AudioTokenizerConfig
    params: dict = field(repr=False)
    identity: str | None = None

    def encode(self, sound, sample_rate: int) -> np.ndarray:
        """Return the codes of sounds.

        Args:
            sound: int16, or float in [-1, 1], `[S]`, `[S, C]` or `[B, S, C]` with C 1 or 2, at least one sample.
            sample_rate: of `sound`, in Hz. The sound is resampled, its channels are mixed or doubled, and silence fills
                the last hop.

        Returns:
            int32 `[B, F, levels]` (B = 1 when no batch axis was given). The first n levels by themselves are the same
            sound at a lower bit rate, for each n of `config.fewer_levels`. A sound that lasts as long as T video
            frames, to the nearest sample, has `config.frames_beside(T, fps)` audio frames.

        Raises:
            RequestError (a ValueError): the sound or the sample rate is not valid.
        """
        sample_rate = check_rate(sample_rate)
        sound = with_channels(as_float_sound(sound), self.config.channels)
        sound = resample(sound, sample_rate, self.config.sample_rate)
        sound = np.pad(sound, ((0, 0), (0, -sound.shape[1] % self.config.hop), (0, 0)))
        return self._encoded(sound, self.init_encode_state(batch=len(sound)))[0]

    def decode(self, ids) -> np.ndarray:
        """Return the sound of codes: int32 `[F, n]` or `[B, F, n]` -> float32 `[B, F hop, C]` in [-1, 1].

        n is `config.levels`, or one of `config.fewer_levels`.
        """
        ids = self._checked(ids)
        state, pieces = self.init_decode_state(batch=len(ids)), []
        frames = ids.shape[1]
        ids = np.pad(ids, ((0, 0), (0, -frames % _FILLED_UP_TO), (0, 0)))
        for first in range(0, ids.shape[1], DECODED_AT_ONCE):
            sound, state = self.decode_chunk(ids[:, first : first + DECODED_AT_ONCE], state)
            pieces.append(sound)
        return np.concatenate(pieces, axis=1)[:, : frames * self.config.hop]

    def reconstruct(self, sound, sample_rate: int) -> np.ndarray:
        """Encode and decode sounds of any length; return float32 of exactly the shape given, at the rate given.

        Stereo through a mono tokenizer comes back as the same sound twice.
        """
        rebuilt = self.decode(self.encode(sound, sample_rate))
        shape = np.shape(sound)
        samples, channels = (shape[0], 1) if len(shape) == 1 else shape[-2:]
        # Resampling there and back may change the length by a sample or two, and the last hop was padded.
        rebuilt = resample(with_channels(rebuilt, channels), self.config.sample_rate, sample_rate)[:, :samples]
        return np.pad(rebuilt, ((0, 0), (0, samples - rebuilt.shape[1]), (0, 0))).reshape(shape)

    def init_encode_state(self, *, batch: int = 1) -> SoundState:
        """Return the state before the first chunk of `encode_chunk`."""
        return _silence(self.config, "encoder", whole("batch", batch, least=1))

    def encode_chunk(self, sound, state: SoundState) -> tuple[np.ndarray, SoundState]:
        """Return the codes of the next whole hops of a stream at the tokenizer's rate; chunking does not change ids."""
        sound = with_channels(as_float_sound(sound), self.config.channels)
        if sound.shape[1] % self.config.hop:
            nearest = self.config.hop * max(1, round(sound.shape[1] / self.config.hop))
            raise RequestError(
                f"a chunk of {sound.shape[1]} samples is not whole hops of {self.config.hop}; "
                f"the nearest valid length is {nearest}"
            )
        _check_batch(len(sound), state)
        return self._encoded(sound, state)

    def init_decode_state(self, *, batch: int = 1) -> SoundState:
        """Return the state before the first chunk of `decode_chunk`."""
        return _silence(self.config, "decoder", whole("batch", batch, least=1))

    def decode_chunk(self, ids, state: SoundState) -> tuple[np.ndarray, SoundState]:
        """Return the sound of the next audio frames `int32 [B, F, levels]` of a stream, one frame or more."""
        sound, state = self.decode_ahead(np.asarray(self._checked(ids), np.int32), state)
        return np.asarray(sound), state

    def decode_ahead(self, ids: jax.Array | np.ndarray, state: SoundState) -> tuple[jax.Array, SoundState]:
        """Decode valid codes int32 `[B, F, levels]` as `decode_chunk` does, without waiting for the sound."""
        _check_batch(len(ids), state)
        sound, past = _decode(self.config, self._own("decoder"), ids, state.past)
        return sound, replace(state, past=past)

    def prepare_decoding(self, frames: int, *, batch: int = 1) -> None:
        """Start to compile the program that `decode_ahead` runs for `frames` audio frames at a time."""
        ids = jax.ShapeDtypeStruct((batch, frames, self.config.levels), jnp.int32)
        past = self.init_decode_state(batch=batch).past
        _decode.prepare(self.config, self.params["decoder"], ids, past)

    def _encoded(self, sound: np.ndarray, state: SoundState) -> tuple[np.ndarray, SoundState]:
        """Encode whole hops with one program, which is compiled once for all lengths."""
        past, ids, at_once = state.past, [], ENCODED_AT_ONCE * self.config.hop
        for first in range(0, sound.shape[1], at_once):
            piece = sound[:, first : first + at_once]
            count = piece.shape[1] // self.config.hop
            piece = np.pad(piece, ((0, 0), (0, at_once - piece.shape[1]), (0, 0)))
            here, past = _encode(self.config, self._own("encoder"), piece, np.int32(count), past)
            ids.append(np.asarray(here)[:, :count])
        return np.concatenate(ids, axis=1), replace(state, past=past)

    def _own(self, part: str) -> dict:
        """Return the parameters of the "encoder" or "decoder"; RequestError where JAX traces them."""
        # Codes are integers: a gradient through them would silently be zero.
        untraced("a parameter", *jax.tree.leaves(self.params[part]))
        return self.params[part]

    def _checked(self, ids) -> np.ndarray:
        ids = array("codes", ids)
        known = (*self.config.fewer_levels, self.config.levels)
        if ids.ndim not in (2, 3) or ids.shape[-1] not in known or 0 in ids.shape:
            levels = " or ".join(map(str, known))
            raise RequestError(f"codes have the shape [(B,) F, {levels}], not {list(ids.shape)}")
        check_ids(ids, self.config.code)
        return ids[None] if ids.ndim == 2 else ids

    @cached_property
    def hash(self) -> str:
        """Sixteen hex digits that identify these codes: `identity`, else a hash of the encoder's config and weights.

        The decoder is not hashed, since it may be trained further on the same codes.
        """
        if self.identity is not None:
            return self.identity
        config = {name: value for name, value in asdict(self.config).items() if not name.startswith("decoder")}
        return codes_hash(config, self.params["encoder"])


def _check_batch(batch: int, state: SoundState) -> None:
    if batch != state.batch:
        raise RequestError(f"the stream began with a batch of {state.batch}, not {batch}")
