"""`emoji`: animated emoji from words."""

from reelm.registry import DataCard

_ART = DataCard("animated emoji over a plain colour", "Microsoft's Fluent Emoji, MIT", "woman running: dark skin tone")

DATA_SETS = {
    "animated_emoji": "source:AnimatedEmojiSet",
    "animated_emoji_camera": "camera:EmojiCameraSet",
    "animated_emoji_pace": "pace:EmojiPaceSet",
}
DATA_CARDS = {name: _ART for name in DATA_SETS}
PRESETS = {
    "emoji": "config",
    "emoji_longer": "config_longer",
    "emoji_sharp": "config_sharp",
    "emoji_steered": "config_steered",
}
EVALUATIONS = {
    "emoji": "evaluation:generation",
    "emoji-chinese": "evaluation:in_chinese",
    "emoji-steering": "steering:steering",
}
