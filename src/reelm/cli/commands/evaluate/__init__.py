"""`reelm evaluate`: score clips that are generated, rebuilt or enlarged, and the likelihood of real clips."""
