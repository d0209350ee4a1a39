"""A language model over several devices: each has its part of the matrices, and embeddings are those of one device.

Run as a program this file is the part that needs four devices, which must be asked for before JAX starts.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reelm.tokenizer.text.llm import encoder
from reelm.tokenizer.text.llm.point import point

PROMPTS = ["a red seven moves right", "红色的七"]


@pytest.mark.slow
def test_four_devices_give_the_embeddings_of_one(tmp_path):
    from made import llm_files

    folder = point(llm_files.folder(tmp_path / "gemma", "gemma3"), tmp_path / "llm", layer=None)
    np.save(tmp_path / "expected.npy", encoder.load(folder, max_tokens=30).encode(PROMPTS).values)
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, __file__, tmp_path], env=os.environ | {"XLA_FLAGS": flags}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def _compare(folder: Path) -> None:
    read = encoder.load(folder / "llm", max_tokens=30)
    for name, axis in (("q", 2), ("gate", 2), ("down", 1)):
        leaf = read.params["layers"][name]
        assert {part.data.shape[axis] for part in leaf.addressable_shards} == {leaf.shape[axis] // 4}, name
    made = read.encode(PROMPTS).values
    np.testing.assert_allclose(made, np.load(folder / "expected.npy"), rtol=1e-4, atol=1e-4)


if __name__ == "__main__":
    _compare(Path(sys.argv[1]))
