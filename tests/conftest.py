"""What holds for every test: the CPU, no cache of the user's, and no silent broadcasting."""

import os
import tempfile

# Before JAX is imported anywhere. JAX_PLATFORMS=cuda in the environment runs the tests on a GPU.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# What the user keeps there (the whole of MNIST, compiled programs) must not change what a test sees.
os.environ["REELM_HOME"] = tempfile.mkdtemp(prefix="reelm-tests-")

import atexit
import shutil

import hypothesis

atexit.register(shutil.rmtree, os.environ["REELM_HOME"], ignore_errors=True)

# The first example of a jitted function compiles it, so no deadline; the same examples in every run.
hypothesis.settings.register_profile("reelm", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("reelm")
