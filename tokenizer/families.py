"""The families of video tokenizers: nets of one's own, and nets that others trained.

In: the JSON of a configuration, which may name its family. Out: the configuration. All have the same strides, codes and
nets to ask for, so who tokenizes knows none of them by name.
"""

from typing import Any, cast

from reelm.storage.fields import parsed
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.vidtok.config import VidTokConfig

VideoConfig = VideoTokenizerConfig | VidTokConfig
"""Any configuration of a video tokenizer. Where it is read, one without a family is the first kind."""


def parsed_config(value: Any, where: str) -> VideoConfig:
    """Return the configuration in a JSON value; `where` holds it, for messages. RequestError when it is none."""
    return cast(VideoConfig, parsed(cast(Any, VideoConfig), value, where))
