"""The formats of files that are read, by name. Each decoder more is one more that the files of strangers reach.

Pillow's names of pictures, FFmpeg's of containers and decoders.
"""

PICTURES = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")

# The first name of each container, and all names of mp4.
CONTAINERS = (
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "ogg"),
    *("flv", "asf", "mxf", "dv", "ivf", "nut", "h264", "hevc", "obu", "yuv4mpegpipe"),
    *("wav", "w64", "aiff", "au", "caf", "flac", "mp3", "aac", "ac3", "eac3", "amr"),
)
PICTURE_DECODERS = (
    *("h264", "hevc", "vvc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9", "theora", "vc1", "h263", "flv"),
    *("mpeg1video", "mpeg2video", "mpeg4", "msmpeg4", "msmpeg4v2", "msmpeg4v1", "wmv1", "wmv2", "wmv3", "vp6", "vp6f"),
    *("mjpeg", "png", "prores", "dnxhd", "dvvideo", "cfhd", "jpeg2000", "ffv1", "huffyuv", "ffvhuff", "utvideo"),
    *("qtrle", "cinepak", "svq1", "svq3", "rawvideo", "v210"),
)
SOUND_DECODERS = (
    *("aac", "mp3", "mp3float", "mp2", "mp2float", "mp1", "mp1float", "ac3", "eac3", "dca", "opus", "libopus"),
    *("vorbis", "speex", "libspeex", "flac", "alac", "wavpack", "tta", "wmav1", "wmav2", "wmapro"),
    *("amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt"),
    *(f"pcm_{kind}le" for kind in ("s16", "s24", "s32", "s64", "u16", "u24", "u32", "f32", "f64")),
    *(f"pcm_{kind}be" for kind in ("s16", "s24", "s32", "s64", "u16", "u24", "u32", "f32", "f64")),
    *("pcm_s8", "pcm_u8", "pcm_mulaw", "pcm_alaw", "pcm_s16le_planar", "pcm_s16be_planar", "pcm_bluray", "pcm_dvd"),
)
DECODERS = frozenset((*PICTURE_DECODERS, *SOUND_DECODERS))
CODEC_OPTION = {"codec_whitelist": ",".join(sorted(DECODERS))}


def summary() -> dict[str, str]:
    """Return what is read, in words for people."""
    return {"pictures": ", ".join(PICTURES), "films and sounds": ", ".join(CONTAINERS)}
