"""Write the HLS playlist of a fragmented mp4: it names pieces of the file by byte ranges, even while the file grows.

Source: RFC 8216 and Apple's "HTTP Live Streaming 2nd Edition" (byte ranges, `EXT-X-MAP`).
"""

import math
from pathlib import Path

_BEGIN = b"moof"  # the box that begins a fragment


def playlist(path: Path, address: str, fps: float, *, ended: bool) -> str:
    """Return the playlist of a file in which each frame is a fragment, in segments of about a second.

    Args:
        path: of the file, as `FragmentedVideo` writes it; it need not exist yet.
        address: of the file for players, relative to the playlist.
        fps: frames a second.
        ended: whether the file is complete. While it is not, only whole segments are named.
    """
    per_segment = math.ceil(fps)
    begins, end = _fragments(path)
    fragments = len(begins) if ended else max(0, len(begins) - 1)  # the last one may have only begun
    whole = range(0, fragments if ended else fragments - fragments % per_segment, per_segment)
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{math.ceil(per_segment / fps)}"]
    lines += ["#EXT-X-PLAYLIST-TYPE:EVENT", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if begins:
        lines.append(f'#EXT-X-MAP:URI="{address}",BYTERANGE="{begins[0]}@0"')
    for first in whole:
        after = min(first + per_segment, fragments)
        stop = begins[after] if after < len(begins) else end
        lines += [f"#EXTINF:{(after - first) / fps:.5f},"]
        lines += [f"#EXT-X-BYTERANGE:{stop - begins[first]}@{begins[first]}", address]
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if ended else [])]) + "\n"


def _fragments(path: Path) -> tuple[list[int], int]:
    """Return where each fragment of a file begins, and where its last whole box ends."""
    begins, at = list[int](), 0
    try:
        with path.open("rb") as file:
            length = file.seek(0, 2)
            while at + 8 <= length:
                file.seek(at)
                head = file.read(8)
                size = int.from_bytes(head[:4], "big")
                if size < 8 or at + size > length:
                    break
                if head[4:] == _BEGIN:
                    begins.append(at)
                at += size
    except FileNotFoundError:
        pass
    return begins, at
