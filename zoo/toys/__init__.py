"""`toys`: small rendered worlds with physics, sound and a camera, with full ground truth."""

from reelm.registry import DataCard

_CARD = DataCard("toys, drawn by a program of reelm's own", "made by reelm, no licence binds it", "a red ball drops")

DATA_SETS = {"toys": "source:ToysSet", "toys_close": "source:ToysCloseSet", "toys_stories": "source:ToysStoriesSet"}
DATA_CARDS = {name: _CARD for name in DATA_SETS}
PRESETS = {"toys": "config"}
EVALUATIONS = {"toys": "evaluation:generation", "toys-chinese": "evaluation:in_chinese"}
