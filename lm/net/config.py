"""Sizes of the language model, from which everything else in this package is built. Plain Python and NumPy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from reelm import value_checks
from reelm.errors import RequestError
from reelm.lm.control import camera, motion, tracks
from reelm.lm.control.sources import Source
from reelm.lm.layout import Layout, audio_frames
from reelm.lm.specials import HEAD, Group, PictureKind
from reelm.tokenizer.code_spec import CodeSpec

if TYPE_CHECKING:
    from reelm.lm.prefix import ClipCodes, Prefix

Kernel = Literal["xla", "blocks", "cudnn", "splash"]
"""Attention of whole samples in training, see `fused_attention.py`."""

Remat = Literal["full", "dots", "none"]
"""Activations that a layer keeps for the backward pass: "full" recomputes all (least memory; on a CPU also a quarter
less time), "dots" keeps the results of its matmuls, "none" recomputes nothing."""

_MOST_ROPE_BASE = 1e12  # models for a million tokens have 1e9
_MOST_TRACKS = 8


@dataclass(frozen=True, kw_only=True)
class LMConfig:
    """Sizes of the language model."""

    bits: int = 18
    """Sign bits of a video code."""
    text_vocabulary: int = 512
    """Pieces of the text tokenizer. 1 for a model that reads a frozen text encoder."""
    text_width: int = 0
    """Width of the text encoder's embeddings. 0 for a model that reads pieces."""
    prefix: int = 24
    """Slots before the codes. Every prefix is padded to this length."""
    frames: int = 9
    """Latent frames of the context window: of the longest clip in training."""
    width: int = 192
    """Width of the residual stream."""
    layers: int = 6
    """Number of layers."""
    heads: int = 4
    """Attention heads for queries, a multiple of `kv_heads`."""
    kv_heads: int = 2
    """Attention heads for keys and values."""
    head_width: int = 48
    """Width of an attention head."""
    hidden: int = 512
    """Width inside the SwiGLU of a layer and inside the mixers of the output head."""
    rope_base: float = 100.0
    """Base of the rotary positions. The slowest rotation takes about 2 pi times this many steps of an axis."""
    sound_levels: int = 0
    """Codes of an audio frame. 0 for a model without sound."""
    sound_bits: int = 9
    """Sign bits of an audio code."""
    sound_frames: tuple[int, int] = (0, 0)
    """Audio frames of the first latent frame, and of each later one."""
    sound_hidden: int | None = None
    """Width inside the mixers of the sound head, one for each level but the last. Default: `hidden`."""
    picture_kinds: int = 5
    """Number of kinds of given pictures that the net knows: the first ones of `PictureKind`."""
    grid: tuple[int, int] = (0, 0)
    """Most rows and columns of a latent frame whose absolute positions a net with keys knows. (0, 0) for a net that
    knows only distances. In a world the player, and a list of items, are always at the same position."""
    keys: tuple[str, ...] = ()
    """Names of the keys that steer the pictures. Empty for a model that is not played."""
    keys_at_once: int = 1
    """Most keys that are pressed at once."""
    tracks: int = 0
    """Most subjects that follow a track. 0 for a model without tracks."""
    structures: tuple[str, ...] = ()
    """Kinds of control clips that the pictures can follow, such as "edges". Empty for a model without control clips."""
    camera: bool = False
    """Whether the model follows a camera path."""
    motion: bool = False
    """Whether the model follows a motion score."""

    def __post_init__(self):
        object.__setattr__(self, "sound_frames", tuple(self.sound_frames))  # a list comes from JSON; a config must hash
        object.__setattr__(self, "keys", tuple(self.keys))
        object.__setattr__(self, "structures", tuple(self.structures))
        object.__setattr__(self, "grid", tuple(self.grid))
        counts = ("bits", "text_vocabulary", "frames", "width", "layers", "heads", "kv_heads", "head_width", "hidden")
        counts += ("keys_at_once", "picture_kinds")
        if none := [name for name in counts if getattr(self, name) < 1]:
            raise RequestError(f"{none[0]} is {getattr(self, none[0])}; it must be 1 or more")
        value_checks.layers("layers", self.layers, least=1)
        for name in ("width", "heads", "head_width", "hidden", "sound_hidden"):
            if getattr(self, name) is not None:
                value_checks.channels(name, [getattr(self, name)])
        if self.text_slots < 1:
            raise RequestError(f"prefix is {self.prefix}; it must be more than the {HEAD} slots of its head")
        if not 0 < self.rope_base <= _MOST_ROPE_BASE:
            raise RequestError(f"rope_base is {self.rope_base}; it must be above 0 and at most {_MOST_ROPE_BASE:g}")
        if self.text_width < 0 or self.text_width and self.text_vocabulary != 1:
            raise RequestError(
                f"text is {self.text_vocabulary} pieces of a text_width of {self.text_width}; it is pieces of width 0, "
                "or one piece (text_vocabulary 1) beside the embeddings of a text encoder"
            )
        if self.heads % self.kv_heads:
            raise RequestError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        if self.head_width % 2:
            raise RequestError(f"head_width must be even, not {self.head_width}")
        if len(self.grid) != 2 or min(self.grid) < 0 or not any(self.grid) == all(self.grid):
            raise RequestError(f"grid is {list(self.grid)}; it is rows and columns from 1, or 0 and 0")
        if any(self.grid) and not self.keys:
            raise RequestError("grid is only for a net with keys; give keys, or leave grid out")
        if not 0 <= self.tracks <= _MOST_TRACKS:
            raise RequestError(f"tracks is {self.tracks}; a model follows 0 to {_MOST_TRACKS}")
        if self.picture_kinds > len(PictureKind):
            raise RequestError(f"picture_kinds is {self.picture_kinds}; there are {len(PictureKind)}")
        first, later = self.sound_frames
        if not (self.sound_levels > 0 and 0 < first <= later or self.sound_levels == first == later == 0):
            raise RequestError(
                f"sound has levels, and frames beside the first latent frame and each later one, or none of these; "
                f"not {self.sound_levels} levels and {first} and {later} frames"
            )

    @property
    def text_slots(self) -> int:
        """Slots of text in a prefix."""
        return self.prefix - HEAD

    @property
    def references(self) -> bool:
        """Whether the net knows references; their names then have separate ids."""
        return self.picture_kinds > PictureKind.REFERENCE

    @property
    def channels(self) -> Mapping[Source, int]:
        """Channels of each source of control that the model knows, in their order in the control field."""
        found: dict[Source, int] = {
            "keys": 1 + len(self.keys) if self.keys else 0,
            "tracks": self.tracks * tracks.CHANNELS,
            "structure": len(self.structures) + self.bits if self.structures else 0,
            "camera": self.camera * camera.CHANNELS,
            "motion": self.motion * motion.CHANNELS,
        }
        return {source: count for source, count in found.items() if count}

    @property
    def control(self) -> int:
        """Channels of the control field; 0 for a model that only words and pictures steer."""
        return sum(self.channels.values())

    @property
    def code(self) -> CodeSpec:
        """The code of a picture."""
        return CodeSpec(bits=self.bits)

    def no_track(self, latent_frames: int) -> np.ndarray:
        """Return the codes of sound int32 `[S, L]`, all -1, for `latent_frames` of a clip without a track."""
        return np.full((audio_frames(self.sound_frames, latent_frames), self.sound_levels), -1, np.int32)

    def split(self, group: Group) -> tuple[int, ...]:
        """Return the bits of each sub-token of a code."""
        return self.code.split if group == "video" else (self.sound_bits,) * self.sound_levels

    def layout(
        self,
        frames: int,
        rows: int,
        columns: int,
        *,
        given_pictures: int = 0,
        references: int = 0,
        at_start: bool = True,
        sound_in_prefix: bool = False,
    ) -> Layout:
        """Return the layout of samples of this model; see `Layout` for the arguments.

        Raises RequestError for more rows or columns than the net has positions for.
        """
        if any(self.grid) and (rows > self.grid[0] or columns > self.grid[1]):
            raise RequestError(
                f"this model knows {self.grid[0]} rows and {self.grid[1]} columns of codes, not {rows} and {columns}"
            )
        return Layout(
            prefix=self.prefix,
            frames=frames,
            rows=rows,
            columns=columns,
            given_pictures=given_pictures,
            references=references,
            sound=self.sound_frames,
            at_start=at_start,
            sound_in_prefix=sound_in_prefix,
        )

    def layout_of(self, codes: "ClipCodes", prefix: "Prefix") -> Layout:
        """Return the layout of a sample of these arrays."""
        return self.layout(
            *codes.video.shape[1:4],
            given_pictures=prefix.kinds.shape[1],
            references=prefix.numbers.shape[1],
            at_start=codes.at_start,
            sound_in_prefix=prefix.sound.shape[1] > 0,
        )
