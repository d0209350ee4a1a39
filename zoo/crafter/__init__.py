"""`crafter`: a world model of the game Crafter, played with keys."""

from reelm.registry import DataCard

DATA_SETS = {"crafter": "source:CrafterSet", "crafter_tiles": "source:CrafterTilesSet"}
DATA_CARDS = {
    "crafter": DataCard("the game Crafter, by day", "Crafter (Danijar Hafner), MIT"),
    "crafter_tiles": DataCard("tiles of the game Crafter", "Crafter (Danijar Hafner), MIT"),
}
PRESETS = {"crafter": "config"}
GOALS = {"crafter": "goals:CrafterGoals"}
EVALUATIONS = {"world": "evaluation:world"}
