"""The models that ship: config, data, judge, recipe and card of each in one folder, which `reelm.registry` finds."""
