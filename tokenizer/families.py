"""The families of video tokenizers: nets of one's own, and nets that others trained.

In: the JSON of a configuration, which may name its family. Out: the configuration. All have the same strides, codes and
nets to ask for, so who tokenizes knows none of them by name.
"""

from typing import Any, cast

from reelm.storage.fields import parsed
from reelm.tokenizer.published.open_magvit2_config import OpenMagvit2Config
from reelm.tokenizer.published.vidtok_config import VidTokConfig
from reelm.tokenizer.video.config import VideoTokenizerConfig

VideoConfig = VideoTokenizerConfig | VidTokConfig | OpenMagvit2Config
"""Any configuration of a video tokenizer. Where it is read, one without a family is the first kind."""


def parsed_config(value: Any, where: str) -> VideoConfig:
    """Return the configuration in a JSON value; `where` holds it, for messages. RequestError when it is none."""
    return cast(VideoConfig, parsed(cast(Any, VideoConfig), value, where))
