"""Classified transform coding: encodes patches to bits with one linear (Karhunen-Loeve) transform per class.

In: patches `float [..., P]`. Out: codes of -1 and +1 `float32 [..., K]`, and from codes patches. The lowest bits name a
class. Each class has a mean and a few axes. The coefficient of a patch on each axis is quantized, most significant bit
first; each axis has its own number of bits. The encoder chooses the class that rebuilds the patch best. This module
knows nothing of video.

Effros, Chou and Gray: "Weighted universal image compression", 1999; Kambhatla and Leen: "Dimension reduction by local
principal component analysis", 1997.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from reelm.tokenizer.code_spec import Levels


class Layout(NamedTuple):
    """The positions of the bits in a code. R groups, D axes, k bits of coefficients.

    Attributes:
        class_bits: number of lowest bits that name the class.
        steps: levels of each coefficient, float32 `[R, D]`.
        axis, shift: the axis of bit j, and the bit's position in the level of that axis, int32 `[R, k]`.
        weight: what the sign of bit j adds to a coefficient, float32 `[R, k, D]`.
    """

    class_bits: int
    steps: np.ndarray
    axis: np.ndarray
    shift: np.ndarray
    weight: np.ndarray


def layout(levels: Levels, bits: int) -> Layout:
    """Return the positions of the bits in codes of `bits` bits."""
    width, held = max(map(len, levels)), sum(levels[0])
    axis, shift = (np.zeros((len(levels), held), np.int32) for _ in range(2))
    weight = np.zeros((len(levels), held, width), np.float32)
    steps = np.ones((len(levels), width), np.float32)
    for group, row in enumerate(levels):
        places = [(d, count, place) for d, count in enumerate(row) for place in range(count)]
        for j, (d, count, place) in enumerate(places):
            axis[group, j], shift[group, j], weight[group, j, d] = d, count - 1 - place, 0.5 ** (place + 1)
        steps[group, : len(row)] = 2.0 ** np.asarray(row)
    return Layout(bits - held, steps, axis, shift, weight)


class Transform(nn.Module):
    """The transforms of all classes. Encoder and decoder have one each; they are fitted once and not trained.

    Coefficients are companded: `asinh(z / scale) / spread` is quantized uniformly in [-1, 1]. So small coefficients
    have fine steps, and large ones still have a level.

    Attributes:
        levels: bits of the coefficients.
        bits: bits of a code.
        size: numbers in a patch, P.
    """

    levels: Levels
    bits: int
    size: int

    def setup(self) -> None:
        """Declare the parameters; `reelm.train.classes` fits them."""
        self.layout = layout(self.levels, self.bits)
        classes, axes = 1 << self.layout.class_bits, self.layout.steps.shape[1]
        draw = nn.initializers.normal(self.size**-0.5)
        fixed = jax.lax.stop_gradient
        # Files of int8 have a scale for each column, so each axis and each mean is a column: flat ones are small.
        basis = fixed(self.param("basis", draw, (self.size, classes * axes)))
        self.basis = basis.T.reshape(classes, axes, self.size)
        self.mean = fixed(self.param("mean", nn.initializers.normal(0.1), (self.size, classes))).T
        # A vector, because these files do not quantize vectors: the smallest scale matters as much as the largest.
        scale, spread = (self.param(name, nn.initializers.ones, (classes * axes,)) for name in ("scale", "spread"))
        self.scale, self.spread = (fixed(leaf).reshape(classes, axes) for leaf in (scale, spread))

    def encode(self, patches: jax.Array) -> jax.Array:
        """Return codes `float32 [..., K]` of patches `[..., P]`.

        The gradient of a coefficient passes straight through its first bit; the choice of the class has no gradient.
        """
        x = patches.reshape(-1, self.size).astype(jnp.float32)
        chosen = self.best(jax.lax.stop_gradient(x))
        group = self._group(chosen)
        x = x - self.mean[chosen]
        z = jnp.stack([jnp.sum(x * self.basis[chosen, d], -1) for d in range(self.basis.shape[1])], -1)
        companded = jnp.arcsinh(z / self.scale[chosen]) / self.spread[chosen]
        level = _level(companded, jnp.asarray(self.layout.steps)[group]).astype(jnp.int32)
        axis, shift = (jnp.asarray(table)[group] for table in (self.layout.axis, self.layout.shift))
        one = jnp.right_shift(jnp.take_along_axis(level, axis, -1), shift) & 1
        weight = jnp.asarray(self.layout.weight)[group]
        # A first bit weighs 1/2, so that the rebuilt coefficient has the gradient of the coefficient.
        carried = jnp.where(jnp.max(weight, -1) == 0.5, 2.0, 0.0) * jnp.take_along_axis(companded, axis, -1)
        signs = 2.0 * one.astype(jnp.float32) - 1.0 + (carried - jax.lax.stop_gradient(carried))
        named = jnp.right_shift(chosen[:, None], jnp.arange(self.layout.class_bits)) & 1
        code = jnp.concatenate([2.0 * named.astype(jnp.float32) - 1.0, signs], -1)
        return code.reshape(*patches.shape[:-1], self.bits)

    def decode(self, codes: jax.Array) -> jax.Array:
        """Return patches `float32 [..., P]` of codes `[..., K]` of -1 and +1."""
        code, class_bits = codes.reshape(-1, self.bits).astype(jnp.float32), self.layout.class_bits
        named = (code[:, :class_bits] >= 0).astype(jnp.int32)
        chosen = jnp.sum(jnp.left_shift(named, jnp.arange(class_bits)), -1)
        weight = jnp.asarray(self.layout.weight)[self._group(chosen)]
        companded = jnp.sum(code[:, class_bits:, None] * weight, 1)
        z = self.scale[chosen] * jnp.sinh(self.spread[chosen] * companded)
        patch = self.mean[chosen]
        for d in range(self.basis.shape[1]):  # one by one, since all at once would hold D times the pixels
            patch += z[:, d, None] * self.basis[chosen, d]
        return patch.reshape(*codes.shape[:-1], self.size)

    def _group(self, chosen: jax.Array) -> jax.Array:
        return chosen // (self.basis.shape[0] // len(self.levels))

    def best(self, x: jax.Array) -> jax.Array:
        """Return the class int32 `[N]` that rebuilds each patch `[N, P]` with the least squared error."""
        basis, mean, scale, spread = self.basis, self.mean, self.scale, self.spread
        steps = jnp.asarray(self.layout.steps)[self._group(jnp.arange(basis.shape[0]))]
        error = jnp.sum(jnp.square(mean), -1) - 2 * x @ mean.T
        for d in range(basis.shape[1]):
            z = x @ basis[:, d].T - jnp.sum(mean * basis[:, d], -1)
            level = _level(jnp.arcsinh(z / scale[:, d]) / spread[:, d], steps[:, d])
            rebuilt = scale[:, d] * jnp.sinh(spread[:, d] * ((2 * level + 1) / steps[:, d] - 1))
            error += rebuilt * (rebuilt - 2 * z)  # axes are orthonormal, or nearly so
        return jnp.argmin(error, -1)


def _level(companded: jax.Array, steps: jax.Array) -> jax.Array:
    """Return the index from 0 of the one of `steps` equal parts of [-1, 1] that holds a number, clipped to the ends."""
    return jnp.clip(jnp.floor((companded + 1) * (steps / 2)), 0, steps - 1)
