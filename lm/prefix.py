"""The codes of clips as arrays, and the prefix before them: words, given pictures and given sound."""

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np

from .layout import Layout
from .specials import CONTINUES, REFERENCES_AT, PictureKind

Array = jax.Array | np.ndarray


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class ClipCodes:
    """The codes of R clips.

    Attributes:
        video: int32 `[R, t, h, w]`, in the form of a device (`tokenizer/codes.py`).
        sound: int32 `[R, S, L]`, L levels of the S audio frames of all latent frames, -1 without a track; S is 0 for
            silent models.
        control: float32 `[R, t, h or 1, w or 1, C]`, the control field: C values for each code of a picture
            (`LMConfig.control`); None without control.
        at_start: whether the first latent frame is the stream's first, which has fewer audio frames; static.
    """

    video: Array
    sound: Array
    control: Array | None = None
    at_start: bool = field(default=True, metadata={"static": True})

    @classmethod
    def of_video(cls, video: Array) -> "ClipCodes":
        """Return the codes of clips without sound, from their beginning, for a model without sound."""
        return cls(video=video, sound=np.zeros((video.shape[0], 0, 0), np.int32))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Prefix:
    """The prefixes of R rows, with K references and G given pictures each. A row with fewer is padded.

    Attributes:
        words: int32 `[R, P]`, of `prefix_ids`.
        text: float32 `[R, T, E]`, embeddings of a frozen text encoder, one for each slot of text; read where `words`
            holds text. T is 0 for models that read pieces.
        references: int32 `[R, K, p, q]`, codes of portraits, of `layout.reference_grid`; read where `numbers` are.
        numbers: int32 `[R, K]`, numbers of the references in words, from 1 on; 0 for none.
        codes: int32 `[R, G, h, w]`, codes of the pictures, as those of clips; read where `has_code`.
        kinds: int32 `[R, G, h, w]`, values of `PictureKind`; `PictureKind.NOTHING` fills a row up.
        times: float32 `[R, G]`, times of the pictures, in latent frames from the first code on.
        sound: int32 `[R, S, L]`, the sound of all latent frames that follow, -1 where it is not given; S is 0 if none
            is given.
    """

    words: Array
    text: Array
    references: Array
    numbers: Array
    codes: Array
    kinds: Array
    times: Array
    sound: Array

    @classmethod
    def of_words(cls, words: Array, rows: int, columns: int, text: Array | None = None) -> "Prefix":
        """Return prefixes of only words int32 `[R, P]`, with their embeddings float32 `[R, T, E]`, if any."""
        count = words.shape[0]
        text = np.zeros((count, 0, 0), np.float32) if text is None else text
        none = np.zeros((count, 0, rows, columns), np.int32)
        return cls(
            words=words,
            text=text,
            references=np.zeros((count, 0, 0, 0), np.int32),
            numbers=np.zeros((count, 0), np.int32),
            codes=none,
            kinds=none,
            times=np.zeros((count, 0), np.float32),
            sound=np.zeros((count, 0, 0), np.int32),
        )

    @classmethod
    def concatenate(cls, parts: "list[Prefix]") -> "Prefix":
        """Return the rows of all parts, one after another."""
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)

    def continuing(self, how: int = CONTINUES) -> "Prefix":
        """Return the same prefixes for a later part of a clip, so that the model does not start the clip again.

        how: `CONTINUES`, or `CUT` for a part that begins with another shot.
        """
        words = np.array(self.words)
        words[:, 0] = how
        return replace(self, words=words)

    def unconditional(self) -> "Prefix":
        """Return the same words without given inputs. The anchor stays, because it shows the earlier part."""
        anchors = np.asarray(self.kinds) == PictureKind.ANCHOR
        kinds = np.where(anchors, PictureKind.ANCHOR, PictureKind.NOTHING).astype(np.int32)
        return replace(self, numbers=np.zeros_like(self.numbers), kinds=kinds, sound=np.full_like(self.sound, -1))

    @property
    def has_code(self) -> jax.Array:
        """Whether each slot of a picture holds a code, bool `[R, G, h, w]`."""
        kinds = jnp.asarray(self.kinds)
        return (kinds != PictureKind.NOTHING) & (kinds != PictureKind.UNKNOWN)

    def positions(self, layout: Layout) -> jax.Array:
        """Return the positions float32 `[R, K p q + G h w, 3]` of the codes of references and pictures."""
        references = _at(REFERENCES_AT - jnp.asarray(self.numbers), layout.reference_grid)
        return jnp.concatenate([references, _at(self.times, layout.grid)], axis=1)


def _at(times: Array, grid: np.ndarray) -> jax.Array:
    """Return positions float32 `[n, 3]` of one picture at time 0, moved to times `[R, G]`: `[R, G x n, 3]`."""
    times = jnp.asarray(times, jnp.float32)[..., None, None]
    moved = jnp.asarray(grid) + jnp.pad(times, ((0, 0), (0, 0), (0, 0), (0, 2)))
    return moved.reshape(times.shape[0], -1, 3)


def flat(ids: Array) -> jax.Array:
    """Return ids int32 `[R, t, h, w]`, as a device holds them, in raster order, `[R, t h w]`."""
    return jnp.asarray(ids).reshape(ids.shape[0], -1, *ids.shape[4:])
