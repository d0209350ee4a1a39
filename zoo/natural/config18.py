"""`natural18`: the video tokenizer of `natural` with 18 bits instead of 36, 0.083 bits a pixel.

reelm train video-tokenizer natural18 --workdir runs/natural18 --data.dataset NAME
"""

from dataclasses import replace

from . import config

video_tokenizer = replace(
    config.video_tokenizer,
    model=replace(
        config.video_tokenizer.model, bits=18, levels=((5, 3, 3), (4, 3, 2, 1, 1), (4, 2, 2, 2, 1), (3, 2, 2, 2, 1, 1))
    ),
)
