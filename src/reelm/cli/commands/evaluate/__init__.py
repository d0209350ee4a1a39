"""`reelm evaluate`: scores of clips that are generated, rebuilt or enlarged, and the likelihood of real clips."""
