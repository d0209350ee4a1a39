"""Sizes of the arrays in the nets of a video tokenizer, from which memory is estimated. Plain Python."""

REACH = 2
"""Rows and columns around a patch that deblocking sees."""


def window_sizes(patch: tuple[int, int, int]) -> tuple[int, int]:
    """Return the number of pixels that deblocking sees for a patch of the first frame, and for a later patch."""
    frame = 3 * (patch[1] + 2 * REACH) * (patch[2] + 2 * REACH)
    return frame, (patch[0] + 1) * frame


def stage_shapes(
    patch: tuple[int, int, int], strides: tuple[tuple[int, int], ...], frames: int, height: int, width: int
) -> list[tuple[int, int, int]]:
    """Return (frames, rows, columns) of the arrays of each stage of a net for a clip, from fine to coarse."""
    time, space, found = patch[0], patch[1], []
    for stride in ((1, 1), *strides):
        time, space = time * stride[0], space * stride[1]
        found.append((1 + (frames - 1) // time, height // space, width // space))
    return found


def conv_values(inputs: int, outputs: int, taps: int) -> int:
    """Return the values in memory per position while a convolution runs: input, taps, padded taps and output."""
    return inputs * (2 * taps + 1 if taps > 1 else 2) + outputs
