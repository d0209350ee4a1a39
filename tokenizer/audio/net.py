"""The audio tokenizer as one differentiable Flax module: encodes sound to latents and decodes codes to sound.

In: sound `float [B, S, C]` in [-1, 1], whole hops at the tokenizer's rate. Out: latents `float32 [B, F, L, K]` of L
levels, whose signs are the code. `decode` returns sound from codes of -1 and +1 of that shape. This module knows
nothing of ids and of files.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.errors import RequestError
from reelm.tokenizer.explicit_axes import automatic
from reelm.tokenizer.history import History

from .config import AudioTokenizerConfig


class AudioNet(nn.Module):
    """Encoder and decoder of an audio tokenizer. Its parameters are {"encoder": ..., "decoder": ...}.

    Attributes:
        config: sizes of the nets.
        dtype: number format of activations; None for float32.
    """

    config: AudioTokenizerConfig
    dtype: DTypeLike | None = None

    def setup(self) -> None:
        """Build the encoder and the decoder."""
        self.encoder = self.config.encoder(self.dtype)
        self.decoder = self.config.decoder(self.dtype)

    def encode(self, sound: jax.Array) -> jax.Array:
        """Return latents float32 `[B, F, L, K]` of sound float `[B, S, C]` in [-1, 1], S = F hops.

        The signs of a level's latents are its code. Each level quantizes the remainder of the levels before it.

        Raises:
            RequestError: another shape or type; the message names what is right.
        """
        return self.config.residual.remainders(self._encoded(sound))

    def decode(self, codes: jax.Array) -> jax.Array:
        """Return sound float32 `[B, F hop, C]`, about in [-1, 1], of codes float `[B, F, n, K]` of -1 and +1.

        n is `config.levels`, or one of `config.fewer_levels`.

        Raises:
            RequestError: another shape or type; the message names what is right.
        """
        config = self.config
        fits = codes.ndim == 4 and config.decodes(*codes.shape[2:])
        if not fits or not jnp.issubdtype(codes.dtype, jnp.floating):
            raise RequestError(
                f"codes are float [B, F, {config.levels}, {config.bits}] of -1 and +1 here, not {codes.dtype} of "
                f"{list(codes.shape)}; reelm.functional.codes makes them of ids"
            )
        return self._decoded(config.residual.values(codes))

    def __call__(self, sound: jax.Array, kept: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """Return the rebuilt sound and the latents `[B, F, D]`; gradients pass straight through the signs.

        kept: int `[B]`, the number of first levels that each sound keeps; None for all.
        """
        latent = self._encoded(sound)
        return self._decoded(self.config.residual.quantize(latent, None if kept is None else kept[:, None])), latent

    def _encoded(self, sound: jax.Array) -> jax.Array:
        hop, channels = self.config.hop, self.config.channels
        fits = sound.ndim == 3 and sound.shape[1] >= hop and sound.shape[1] % hop == 0 and sound.shape[2] == channels
        if not fits or not jnp.issubdtype(sound.dtype, jnp.floating):
            raise RequestError(
                f"sound is float [B, S, {channels}] in [-1, 1] here, S a multiple of {hop}, not {sound.dtype} of "
                f"{list(sound.shape)}"
            )
        return automatic(lambda x: self.encoder(x, History()), sound, rows=sound)

    def _decoded(self, latent: jax.Array) -> jax.Array:
        return automatic(lambda x: self.decoder(x, History()), latent, rows=latent)
