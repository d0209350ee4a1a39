"""`toys`: small lit worlds with physics, sound and a camera, drawn by a program that knows everything in them."""

from reelm.registry import DataCard

DATA_SETS = {"toys": "source:ToysSet"}
DATA_CARDS = {"toys": DataCard("toys, drawn by a program of reelm's own", "made by reelm, no licence binds it")}
