"""Sizes of a describer, and the words that it knows. Plain Python."""

from dataclasses import dataclass

from reelm import value_checks
from reelm.errors import RequestError

from .layout import audio_frames


@dataclass(frozen=True, kw_only=True)
class DescriberConfig:
    """Sizes of a describer."""

    words: tuple[tuple[str, ...], ...] = ()
    """Words that the describer knows. Each entry holds synonyms, the preferred one first. Default: taken from the
    captions."""
    usual: tuple[float, ...] = ()
    """Share of clips that each word describes. Default: counted in the captions."""
    bits: int = 18
    """Sign bits of a video code."""
    sound_levels: int = 0
    """Codes of an audio frame. 0 for pictures alone."""
    sound_bits: int = 8
    """Sign bits of an audio code."""
    sound_frames: tuple[int, int] = (0, 0)
    """Audio frames beside the first latent frame, and beside each later one."""
    frames: int = 2
    """Latent frames that are read."""
    width: int = 56
    """Width of the picture and the sound part."""
    blocks: int = 4
    """Residual blocks of either part."""

    def __post_init__(self):
        for name in ("words", "usual", "sound_frames"):  # lists come from JSON; a config must hash
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "words", tuple(map(tuple, self.words)))
        if len(self.words) != len(self.usual):
            raise RequestError(f"there are {len(self.usual)} usual shares for {len(self.words)} words")
        if not all(self.words) or not all(0 <= share <= 1 for share in self.usual):
            raise RequestError("every entry of words holds one or more, and usual shares lie in 0 to 1")
        value_checks.layers("blocks", self.blocks)
        value_checks.channels("width", [self.width])
        if self.frames < 1 or min(self.sound_frames) < 0:
            raise RequestError(f"frames is {self.frames}, sound_frames {self.sound_frames}; no number may be below 0")

    @property
    def audio_frames(self) -> int:
        """Audio frames that are read."""
        return audio_frames(self.sound_frames, self.frames)
