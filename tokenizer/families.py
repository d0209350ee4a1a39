"""The families of video tokenizers: reelm's own nets, and the published nets of VidTok.

In: the JSON of a configuration, which may name its family. Out: the configuration. All configurations have the same
interface for strides, codes and nets, so the tokenizer does not depend on a family.
"""

from typing import Any, cast

from reelm.storage.fields import parsed
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.vidtok.config import VidTokConfig

VideoConfig = VideoTokenizerConfig | VidTokConfig
"""Any configuration of a video tokenizer. JSON without a family is read as the first kind."""


def parsed_config(value: Any, where: str) -> VideoConfig:
    """Return the configuration in a JSON value. Raise RequestError when it is not valid; `where` names its file."""
    return cast(VideoConfig, parsed(cast(Any, VideoConfig), value, where))
