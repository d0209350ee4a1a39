"""JAX's own defaults for everything that reelm traces and runs, whatever the process has set.

Who debugs other code may set `jax_enable_x64`, strict promotion or a transfer guard, and may have another random number
generator. A clip depends on its seed and on what was asked, not on these.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import jax


@contextmanager
def usual_settings() -> Iterator[None]:
    """Trace and run with 32 bits, standard promotion, Threefry as it is by default, and transfers allowed."""
    with (
        jax.enable_x64(False),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
        jax.threefry_partitionable(True),
        jax.default_prng_impl("threefry2x32"),
        jax.transfer_guard("allow"),
    ):
        yield
