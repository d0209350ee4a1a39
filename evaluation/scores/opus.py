"""Compress sound with Opus, as the baseline for an audio tokenizer.

In: sound float `[S, 1]` and a bit rate. Out: the rebuilt sound, and the bits a second of its packets; headers and
container are not counted, since codes have none. libopus chooses its mode by the rate: at 6 kbit/s it codes frequencies
up to 4 kHz.
"""

from typing import Any, cast

import av
import numpy as np

_RATE = 48_000  # that of the decoder


def at_rate(sound: np.ndarray, sample_rate: int, bits: int) -> tuple[np.ndarray, float]:
    """Return sound float32 `[S, 1]` rebuilt from a constant rate of `bits` a second, and the bits a second it took.

    sample_rate: 8, 12, 16, 24 or 48 kHz.
    """
    encoder = cast(Any, av.CodecContext.create("libopus", "w"))
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = sample_rate, "mono", "s16", bits
    encoder.options = {"vbr": "off"}
    encoder.open()
    size = encoder.frame_size
    samples = (np.clip(np.pad(sound[:, 0], (0, 4 * size)), -1, 1) * 32767).astype(np.int16)
    packets = []
    for start in range(0, len(samples) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + size], format="s16", layout="mono")
        frame.sample_rate, frame.pts = sample_rate, start
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    packets += [bytes(packet) for packet in encoder.encode(None)]
    decoder = cast(Any, av.CodecContext.create("libopus", "r"))
    decoder.sample_rate, decoder.layout = _RATE, "mono"
    decoder.open()
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=sample_rate)
    pieces = [
        made.to_ndarray()[0]
        for data in (*packets, None)
        for frame in decoder.decode(None if data is None else av.Packet(data))
        for made in resampler.resample(frame)
    ]
    # Samples at 48 kHz that the decoder gives before the sound begins (pre-skip; RFC 7845, section 5.1).
    early = int.from_bytes(encoder.extradata[10:12], "little") * sample_rate // _RATE
    rebuilt = np.concatenate(pieces)[early : early + len(sound)]
    taken = 8 * sum(map(len, packets)) / (len(packets) * size / sample_rate)
    return np.pad(rebuilt, (0, len(sound) - len(rebuilt)))[:, None].astype(np.float32), taken
