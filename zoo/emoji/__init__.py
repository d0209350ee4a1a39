"""`emoji`: animated emoji from words."""

from reelm.registry import DataCard

DATA_SETS = {"animated_emoji": "source:AnimatedEmojiSet"}
DATA_CARDS = {
    "animated_emoji": DataCard(
        "animated emoji over a plain colour", "Microsoft's Fluent Emoji, MIT", "woman running: dark skin tone"
    )
}
PRESETS = {"emoji": "config", "emoji_longer": "config_longer", "emoji_sharp": "config_sharp"}
EVALUATIONS = {
    "emoji": "evaluation:generation",
    "emoji-chinese": "evaluation:in_chinese",
    "emoji-doubts": "doubts:doubts",
}
