"""`natural`: tokenizers of real footage and of any sound."""

from reelm.registry import DataCard

DATA_SETS = {"any_sound": "sounds:AnySoundSet"}
DATA_CARDS = {
    "any_sound": DataCard(
        "speech, music and effects", "Debian packages, each with the licence in its file `copyright`"
    ),
    # What the recipe builds of the films that `make_footage.py` gathers.
    "footage": DataCard(
        "films and photographs", "films and photographs in public packages; the rights in some are not stated"
    ),
}
PRESETS = {"natural": "config", "natural18": "config18"}
RECONSTRUCTIONS = {"any_sound": "evaluation:reconstruction"}
