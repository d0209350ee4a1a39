"""Convert colours of a wide gamut or a high dynamic range to sRGB.

In: RGB of 8 or 16 bits, with its transfer function and primaries by their codes in ITU-T H.273. Out: sRGB of 8 bits,
whose primaries are those of BT.709. Knows nothing of files.

No filter of FFmpeg 8.1 does as well. With the intent "perceptual", its `scale` dims white (203 nits) to 150 of 255.
With "relative_colorimetric", it clips all highlights, darkens the greys of SDR, and makes blue (0, 0, 200) of PQ into
(0, 49, 200). Its `tonemap` needs linear light from `zscale`, which PyAV's wheels lack.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from .pixels import Frames

BT709, UNSTATED, BT2020 = 1, 2, 9  # primaries
PQ, HLG = 16, 18  # transfer functions of high dynamic range: SMPTE ST 2084, ARIB STD-B67; both in BT.2100
SRGB = 13  # a transfer function
HIGH_RANGE = {PQ: "PQ", HLG: "HLG"}
SAYS_HIGH_RANGE = "%s has a high dynamic range (%s): its highlights are brought down to those of an ordinary screen"

_P3 = (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)
_PRIMARIES = {  # x, y of red, green and blue; white is D65
    BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: _P3,
    12: _P3,
}
_WHITE = 0.3127, 0.3290

_WHITE_NITS = 203.0  # of paper in a film of high dynamic range (BT.2408)
_HLG_NITS = 1000.0  # of the screen for which HLG's system gamma is 1.2
_KNEE = 0.7  # up to this share of white nothing changes; all that is brighter shares the rest
_BAND = 1 << 16  # pixels at a time, so that what is in between stays in the cache


def is_wide(transfer: int, primaries: int) -> bool:
    """Return whether pixels of these codes must be converted before they are shown as sRGB."""
    return transfer in HIGH_RANGE or primaries in (BT2020, 11, 12)


def to_srgb(pixels: NDArray[np.uint8] | NDArray[np.uint16], transfer: int, primaries: int) -> Frames:
    """Return pixels [...,3] of sRGB, uint8.

    High dynamic range is tone-mapped by the largest channel, so that hues stay: colours up to 0.7 of white (203 nits)
    keep their brightness, white becomes 242, and highlights share what is above. Colours out of the gamut are clipped.

    Args:
        pixels: [...,3], full range. 12 bits of the 16 count.
        transfer: `PQ`, `HLG` or `SRGB`; all others are those of a film, and mean light of power 2.4 (BT.1886). Where
            the range is not high, greys stay as they are.
        primaries: `BT709`, `BT2020`, 11 and 12 for P3. Others are BT.2020 in a high dynamic range, else BT.709.
    """
    high = transfer in HIGH_RANGE
    matrix = _to_bt709(primaries if primaries in _PRIMARIES else BT2020 if high else BT709).tolist()
    table, code, shift = _light(transfer), _code(SRGB if high else transfer), 4
    if pixels.dtype == np.uint8:
        table, shift = table[np.arange(256) * 257 >> 4], 0
    flat = pixels.reshape(-1, 3)
    out = np.empty(flat.shape, np.uint8)
    for start in range(0, len(flat), _BAND):
        light = table.take(flat[start : start + _BAND].T >> shift)
        if transfer == HLG:  # the system gamma of BT.2100: what the screen adds by the brightness of the pixel
            luminance = 0.2627 * light[0] + 0.6780 * light[1] + 0.0593 * light[2]
            light *= luminance**0.2 * (_HLG_NITS / _WHITE_NITS)
        # By hand: BLAS takes twenty times as long for so small a matrix.
        light = np.maximum([row[0] * light[0] + row[1] * light[1] + row[2] * light[2] for row in matrix], 0)
        if high:
            light *= _gain(light.max(axis=0))
        out[start : start + _BAND] = code.take((np.minimum(light, 1) * 65535 + 0.5).astype(np.uint16)).T
    return out.reshape(pixels.shape)


def _gain(peak: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the gain of a pixel whose largest channel is `peak`: 1 up to the knee, then decreasing."""
    above = np.maximum(peak - _KNEE, 0)
    mapped = 1 - (1 - _KNEE) * np.exp(above / (_KNEE - 1))
    return np.where(above > 0, mapped / np.maximum(peak, _KNEE), 1).astype(np.float32)


@functools.cache
def _light(transfer: int) -> NDArray[np.float32]:
    """Return the linear light of each 12-bit value: 1 is white, or for HLG the brightest scene."""
    value = np.linspace(0, 1, 4096)
    if transfer == PQ:
        root = value ** (1 / 78.84375)
        nits = 10_000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        return (nits / _WHITE_NITS).astype(np.float32)
    if transfer == HLG:
        bright = (np.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
        return np.where(value <= 0.5, value**2 / 3, bright).astype(np.float32)
    if transfer == SRGB:
        return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return (value**2.4).astype(np.float32)


@functools.cache
def _code(transfer: int) -> NDArray[np.uint8]:
    """Return the 8-bit value of each 16-bit level of linear light."""
    light = np.linspace(0, 1, 65536)
    value = light ** (1 / 2.4)
    if transfer == SRGB:
        value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * value).astype(np.uint8)


@functools.cache
def _to_bt709(primaries: int) -> NDArray[np.float32]:
    """Return the matrix from linear RGB of some primaries to that of BT.709."""
    return (np.linalg.inv(_to_xyz(BT709)) @ _to_xyz(primaries)).astype(np.float32)


def _to_xyz(primaries: int) -> NDArray[np.float64]:
    """Return the matrix from linear RGB to CIE XYZ: its columns are the primaries, and their sum is white."""
    x, y = np.array([*_PRIMARIES[primaries], _WHITE]).T
    xyz = np.stack([x / y, np.ones_like(x), (1 - x - y) / y])
    columns = xyz[:, :3]
    return columns * np.linalg.solve(columns, xyz[:, 3])
