"""The video tokenizer as one differentiable Flax module: encodes frames to latents and decodes codes to frames.

In: frames `float [B, T, H, W, 3]` in [-1, 1], T = 1 + k strides in time. Out: latents `float32 [B, t, h, w, K]`, whose
signs are the code. `decode` returns frames from codes of -1 and +1 of that shape. This module knows nothing of ids and
of files.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.errors import RequestError
from reelm.tokenizer.explicit_axes import automatic
from reelm.tokenizer.families import VideoConfig
from reelm.tokenizer.history import History
from reelm.tokenizer.quantizer import quantize, to_sphere


class VideoNet(nn.Module):
    """Encoder and decoder of a video tokenizer. Its parameters are {"encoder": ..., "decoder": ...}.

    Attributes:
        config: sizes of the nets.
        dtype: number format of activations; None for float32.
    """

    config: VideoConfig
    dtype: DTypeLike | None = None

    def setup(self) -> None:
        """Build the encoder and the decoder."""
        self.encoder = self.config.encoder(self.dtype)
        self.decoder = self.config.decoder(self.dtype)

    def encode(self, frames: jax.Array) -> jax.Array:
        """Return latents float32 `[B, t, h, w, K]` of frames float `[B, T, H, W, 3]` in [-1, 1].

        The signs of latents are the code. With the quantizer "bsq" the latents are on a sphere.

        Raises:
            RequestError: another shape or type; the message names what is right.
        """
        if frames.ndim != 5 or frames.shape[-1] != 3 or not jnp.issubdtype(frames.dtype, jnp.floating):
            raise RequestError(
                f"frames are float [B, T, H, W, 3] in [-1, 1] here, not {frames.dtype} of {list(frames.shape)}"
            )
        self.config.latent_shape(*frames.shape[1:4])
        latent = automatic(lambda x: self.encoder(x, History()), frames, rows=frames)
        return to_sphere(latent) if self.config.quantizer == "bsq" else latent

    def decode(self, codes: jax.Array, *, cut: bool = False) -> jax.Array:
        """Return frames float `[B, T, H, W, 3]`, about in [-1, 1], of codes float `[B, t, h, w, K]` of -1 and +1.

        cut: whether the codes start after a cut: T is then t strides in time, else one frame and t - 1 strides.

        Raises:
            RequestError: another shape or type; the message names what is right.
        """
        bits = self.config.bits
        if codes.ndim != 5 or codes.shape[-1] != bits or not jnp.issubdtype(codes.dtype, jnp.floating):
            raise RequestError(
                f"codes are float [B, t, h, w, {bits}] of -1 and +1 here, not {codes.dtype} of {list(codes.shape)}; "
                "reelm.functional.codes makes them of ids"
            )
        return automatic(lambda x: self.decoder(x, History(cut=cut)), codes, rows=codes)

    def __call__(self, frames: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the rebuilt frames and the latents; gradients pass straight through the signs."""
        latent = self.encode(frames)
        return self.decode(quantize(latent)), latent
