"""From a trained tokenizer to a larger one that makes the same of everything at first, or draws its codes anew.

In: parameters of the smaller tokenizer, and fresh ones of the larger. Out: parameters of the larger. Training goes on
from there, sooner than from fresh ones.
"""

import re

import jax
import jax.numpy as jnp


def grown(old: dict, fresh: dict) -> dict:
    """Return `old` in the sizes of `fresh`: what is new in a parameter is 0, and new parameters are fresh.

    An audio tokenizer that gets a pitch gives up its last latents for it, which `pitch` keeps in their place. Its new
    residual blocks add nothing at first.
    """
    result = {}
    for name, leaf in fresh.items():
        if name not in old:
            result[name] = {**leaf, "mix": jax.tree.map(jnp.zeros_like, leaf["mix"])} if "mix" in leaf else leaf
        elif isinstance(leaf, dict):
            result[name] = grown(old[name], leaf)
        else:
            both = tuple(map(slice, map(min, leaf.shape, old[name].shape)))
            result[name] = jnp.zeros_like(leaf).at[both].set(old[name][both])
    return result


def with_more_bits(old: dict, fresh: dict) -> dict:
    """Return the parameters of a video tokenizer with the bits of `fresh`, whose decoder leaves the new bits aside.

    Each new bit is a random projection of what the encoder sees. If the encoder began at 0 as the decoder does, all new
    bits would have the same gradient and stay equal.
    """
    result = grown(old, fresh)
    kernel, bits = result["encoder"]["latent"]["kernel"], old["encoder"]["latent"]["kernel"].shape[-1]
    kernel = kernel.at[:, bits:].set(fresh["encoder"]["latent"]["kernel"][:, bits:])
    result["encoder"]["latent"] = {**result["encoder"]["latent"], "kernel": kernel}
    return result


def with_another_decoder(old: dict, fresh: dict) -> dict:
    """Return the parameters of a video tokenizer with the encoder of `old` and the decoder of `fresh`.

    Of the old decoder it takes the nets whose shapes agree.
    """
    return {"encoder": old["encoder"], "decoder": fresh["decoder"] | kept(old["decoder"], fresh["decoder"])}


def kept(trained: dict, decoder: dict) -> dict:
    """Return the nets of a trained decoder that another has, too, under the names that they have there.

    Stages are numbered from fine to coarse, so they count up by the finer ones that the trained decoder lacks.
    """
    finer, found = len(_stages(decoder)) - len(_stages(trained)), {}
    for name, net in trained.items():
        moved = re.sub(r"(?<=_)\d+", lambda stage: str(int(stage[0]) + finer), name, count=1)
        if moved in decoder and jax.tree.map(jnp.shape, net) == jax.tree.map(jnp.shape, decoder[moved]):
            found[moved] = net
    return found


def _stages(decoder: dict) -> set[str]:
    return {name.split("_")[1] for name in decoder if name.startswith("block_")}
