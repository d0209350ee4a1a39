"""The upscaler: enlarges clips two or four times, whole or frame by frame.

In: frames uint8 `[T, H, W, 3]`. Out: frames uint8 `[T, 2H, 2W, 3]`. A frame is cut into tiles together with the pixels
that the net sees around them, so tiles leave no seams. Memory does not depend on the length of a clip, and only little
on its size. All tiles of a clip have one size, so only one program is compiled. This module knows nothing of language
models, files or training.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from reelm.errors import RequestError
from reelm.programs.program import program
from reelm.value_checks import array

from .config import UpscalerConfig, doublings
from .tiles import Grid


@program(static=("config", "tile"))
def _enlarge(config: UpscalerConfig, params: dict, frames: jax.Array, tile: tuple[int, int]) -> jax.Array:
    """Return tiles uint8 `[n, 2h, 2w, 3]` of frames uint8 `[B, past + 1, H, W, 3]`, which are padded to whole tiles."""
    from .net import UpscalerNet

    height, width = tile
    batch, past, *sides, _ = frames.shape
    rows, columns = ((side - 2 * config.halo) // length for side, length in zip(sides, tile, strict=True))
    net = UpscalerNet(config)

    def one(place: jax.Array) -> jax.Array:
        clip, row, column = place
        size = (1, past, height + 2 * config.halo, width + 2 * config.halo, 3)
        piece = jax.lax.dynamic_slice(frames, (clip, 0, row * height, column * width, 0), size)
        made = net.apply({"params": params}, piece.astype(jnp.float32) / 127.5 - 1)
        return jnp.round((jnp.clip(made[0], -1, 1) + 1) * 127.5).astype(jnp.uint8)

    places = jnp.stack(jnp.meshgrid(jnp.arange(batch), jnp.arange(rows), jnp.arange(columns), indexing="ij"), -1)
    return jax.lax.map(one, places.reshape(-1, 3))


@dataclass(frozen=True)
class UpscaleState:
    """The state of a stream: for each doubling the newest input frames, uint8 `[B, n, H, W, 3]`."""

    past: tuple[np.ndarray | None, ...]


@dataclass(frozen=True)
class Upscaler:
    """A trained upscaler. `config` is static, `params` a nested dict."""

    config: UpscalerConfig
    params: dict = field(repr=False)

    def upscale(self, video: np.ndarray, scale: int = 2) -> np.ndarray:
        """Return a clip uint8 `[T, H, W, 3]`, or clips `[B, T, H, W, 3]`, with both sides `scale` times as long.

        Raises:
            RequestError: the shape or the type is wrong, or the scale is not one of `SCALES`.
        """
        frames, _ = self.upscale_chunk(video, self.init_state(scale))
        return frames

    def init_state(self, scale: int = 2) -> UpscaleState:
        """Return the state before the first frames of `upscale_chunk`."""
        return UpscaleState((None,) * doublings(scale))

    def upscale_chunk(self, video: np.ndarray, state: UpscaleState) -> tuple[np.ndarray, UpscaleState]:
        """Enlarge the next frames of a stream, any number of them; chunking does not change the result."""
        video = array("a video", video)
        if video.ndim not in (4, 5) or video.shape[-1] != 3 or 0 in video.shape or video.dtype != np.uint8:
            raise RequestError(
                f"a video to upscale is uint8 [T, H, W, 3] or [B, T, H, W, 3], not {video.dtype} of {list(video.shape)}"
            )
        frames, kept = video if video.ndim == 5 else video[None], []
        for past in state.past:
            frames, seen = self._double(frames, past)
            kept.append(seen)
        return (frames if video.ndim == 5 else frames[0]), UpscaleState(tuple(kept))

    def upscale_stream(self, frames: Iterable[np.ndarray], scale: int = 2) -> Iterator[np.ndarray]:
        """Yield enlarged frames one by one, from frames uint8 `[H, W, 3]` of one size."""
        state = self.init_state(scale)
        for frame in frames:
            made, state = self.upscale_chunk(frame[None], state)
            yield made[0]

    def prepare(self, *, batch: int = 1, height: int, width: int, scale: int = 2) -> None:
        """Start to compile the programs that `upscale_chunk` runs for clips of this size in pixels."""
        for _ in range(doublings(scale)):
            grid = Grid.of(height, width)
            shape = (batch, self.config.past + 1, *grid.size(self.config.halo), 3)
            _enlarge.prepare(self.config, self.params, jax.ShapeDtypeStruct(shape, jnp.uint8), grid.tile)
            height, width = 2 * height, 2 * width

    def _double(self, video: np.ndarray, past: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return clips twice as large, and the past frames for the next call; `past` is None for the first."""
        count = self.config.past
        batch, length, height, width, _ = video.shape
        # The past of the first frame is the first frame itself, as if nothing moved.
        past = np.repeat(video[:, :1], count, axis=1) if past is None else past
        seen = np.concatenate([past, video], axis=1)
        grid = Grid.of(height, width)
        made = np.empty((batch, length, 2 * height, 2 * width, 3), np.uint8)
        for frame in range(length):
            filled = jnp.asarray(grid.filled(seen[:, frame : frame + count + 1], self.config.halo))
            tiles = np.asarray(_enlarge(self.config, self.params, filled, grid.tile))
            made[:, frame] = grid.joined(tiles.reshape(batch, -1, *tiles.shape[1:]))
        return made, seen[:, length:]
