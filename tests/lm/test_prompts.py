"""A language model that reads a frozen text encoder: what its prefixes hold, and that all the rest takes no notice."""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made.parameters import random_params

from reelm.data.tokens.index import TokenRun
from reelm.data.tokens.read import open_tokens
from reelm.data.tokens.sample import TokenSample
from reelm.data.tokens.write import write_tokens
from reelm.errors import RequestError
from reelm.lm import sharding
from reelm.lm.language_model import LanguageModel
from reelm.lm.net import transformer
from reelm.lm.net.cache import empty_cache
from reelm.lm.net.config import LMConfig
from reelm.lm.net.embed import embed_codes
from reelm.lm.net.rotary import SlotFields
from reelm.lm.parameters import unroll
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.prompts import prompt_prefix, truncated
from reelm.lm.specials import FILLER, HEAD, SPECIALS
from reelm.sampling.model import Model
from reelm.tokenizer.codes import ids_to_sub_tokens
from reelm.tokenizer.text.cache import CachedEncoder
from reelm.tokenizer.text.encoder import Embeddings
from reelm.train.lm.captions import embed
from reelm.train.lm.samples import ToSample

CONFIG = LMConfig(
    bits=10, text_vocabulary=1, text_width=8, prefix=16, frames=4, width=32, layers=2, heads=2, kv_heads=1,
    head_width=16, hidden=32,
)  # fmt: skip
SIZE: dict[str, Any] = {"rows": 2, "columns": 3, "fps": 8.0}


class Toy:
    """An encoder of a row for each word, which depends on the word alone; it remembers what it was asked."""

    width, max_tokens, hash = 8, 12, "f" * 64
    kind, carried, embeds_sentences = "toy", None, False

    def __init__(self):
        self.asked: list[str] = []

    def words(self, text: str) -> list[str]:
        return text.split()

    def unknown(self, prompt: str) -> list[str]:
        return []

    def count(self, prompt: str) -> int:
        return len(prompt.split())

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        self.asked += prompts
        values, mask = np.zeros((len(prompts), 12, 8), np.float32), np.zeros((len(prompts), 12), bool)
        for row, prompt in enumerate(prompts):
            for i, word in enumerate(prompt.split()):
                values[row, i] = np.random.default_rng(zlib.crc32(word.encode())).normal(size=8)
                mask[row, i] = True
        return Embeddings(values, mask)


@pytest.fixture(scope="module")
def params() -> dict:
    return jax.device_put(random_params(transformer.init_params, CONFIG, noise=0.2))


@pytest.fixture(scope="module")
def model(tiny_model, params) -> Model:
    return replace(tiny_model, lm=LanguageModel(CONFIG, params, Toy(), tiny_model.lm.tasks))


def ids(clip) -> np.ndarray:
    return clip.tokens["video"]


def test_a_prefix_holds_a_row_for_each_of_the_encoder_and_none_for_a_blank_prompt():
    text = Toy()
    prefix = prompt_prefix(CONFIG, text, ["a red seven", "", " \n"], **SIZE)
    assert text.asked == ["a red seven"]
    assert prefix.words.shape == (3, 16) and prefix.text.shape == (3, 12, 8)
    assert (prefix.words[0, HEAD : HEAD + 3] == SPECIALS).all() and (prefix.words[0, HEAD + 3 :] == FILLER).all()
    assert (prefix.words[1:, HEAD:] == FILLER).all() and not prefix.text[1:].any()
    np.testing.assert_array_equal(prefix.words[:, :HEAD], prefix.words[[0, 0, 0], :HEAD])
    np.testing.assert_array_equal(prefix.text[0], Toy().encode(["a red seven"]).values[0])


def test_rows_are_read_where_the_ids_say_so_and_cached_equals_uncached(params):
    layout = CONFIG.layout(2, 2, 3)
    codes = np.random.default_rng(1).integers(0, 1 << 10, (2, 2, 2, 3)).astype(np.int32)
    sub_tokens = ids_to_sub_tokens(jnp.asarray(codes).reshape(2, -1), CONFIG.code)
    unrolled = unroll(params)

    @jax.jit
    def uncached(prefix: Prefix) -> jax.Array:
        return transformer.forward_all(CONFIG, params, layout, prefix, ClipCodes.of_video(jnp.asarray(codes)))

    @jax.jit
    def cached(prefix: Prefix) -> jax.Array:
        cache = empty_cache(CONFIG, 2, layout.slots)
        last, cache = transformer.prefill(CONFIG, unrolled, layout, prefix, cache)
        positions = SlotFields.of(CONFIG, layout, layout.slots, 2)
        inputs = embed_codes(CONFIG, unrolled, "video", sub_tokens[:, :-1], jnp.float32)
        inputs = jnp.concatenate([last[:, None], inputs], axis=1)
        return transformer.extend(CONFIG, unrolled, inputs, jnp.zeros(2, jnp.int32), positions, cache, layout.slots)[0]

    prefix = prompt_prefix(CONFIG, Toy(), ["a red seven", "blue"], **SIZE)
    expected = uncached(prefix)
    np.testing.assert_allclose(cached(prefix), expected, atol=1e-4)
    other = replace(prefix, text=np.where(prefix.words[:, HEAD:, None] == FILLER, 9.0, prefix.text).astype(np.float32))
    np.testing.assert_array_equal(uncached(other), expected)
    moved = replace(prefix, text=prefix.text[:, [1, 0, *range(2, 12)]])
    assert np.abs(uncached(moved) - expected)[0].max() > 1e-3  # the order of words counts


@pytest.mark.slow
def test_clips_are_the_same_however_decoded_and_another_prompt_compiles_nothing(model, caplog):
    guided = {"cfg_scale": 4.0}
    one, other = (model.generate("a red seven", decoding=how, **guided) for how in ("sequential", "parallel"))
    np.testing.assert_array_equal(ids(one), ids(other))
    with jax.log_compiles(), caplog.at_level("WARNING", logger="jax"):
        changed = model.generate("blue two moves", negative_prompt="red", decoding="parallel", **guided)
        assert not [record for record in caplog.messages if "Compiling" in record]
    assert (ids(one) != ids(changed)).any()
    clips = model.generate(["a red seven", "blue"], num_samples=2, **guided)
    np.testing.assert_array_equal(ids(clips[0]), ids(one))


@pytest.mark.slow
def test_words_that_change_are_read_in_windows(model):
    script = [(0.0, "a red seven"), (1.0, "blue")]
    changing, alone = (model.generate(words, num_frames=17, cfg_scale=4.0) for words in (script, "a red seven"))
    assert ids(changing).shape == ids(alone).shape == (5, 2, 3)
    np.testing.assert_array_equal(ids(changing)[:3], ids(alone)[:3])
    assert (ids(changing)[3:] != ids(alone)[3:]).any()


def test_a_model_with_an_encoder_describes_in_the_words_of_its_describer(model):
    video = np.random.default_rng(0).integers(0, 256, (5, 16, 24, 3), np.uint8)
    likely = model.describer.likely(model.video_tokenizer.encode(video)[0], None)
    assert likely and sorted(model.describe(video).split()) == sorted(likely)


def token_sample(*captions: str) -> TokenSample:
    none = np.zeros((0, 2, 3), np.int32)
    still = np.zeros(0, np.int32)
    codes = np.arange(18, dtype=np.int32).reshape(3, 2, 3)
    return TokenSample(
        video=codes, captions=captions, stills=none, still_frames=still, sound=np.zeros((0, 0), np.int32)
    )


def to_sample(text, caption_dropout: float) -> ToSample:
    return ToSample(text, CONFIG, task="t2v", frames=2, fps=8.0, stride=4, caption_dropout=caption_dropout)


def test_a_dropped_condition_is_that_of_no_prompt():
    made = to_sample(Toy(), 1.0).random_map(token_sample("a red seven"), np.random.default_rng(0))["prefix"]
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_array_equal(ours, theirs[0]),
        made,
        prompt_prefix(CONFIG, Toy(), [""], **SIZE),
    )


def test_of_a_caption_that_is_too_long_the_beginning_is_read():
    long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    cut = truncated(CONFIG, Toy(), long)
    assert long.startswith(cut) and Toy().count(cut) == 12 and Toy().count(long[: len(cut) + 2]) == 13
    made = to_sample(Toy(), 0.0).random_map(token_sample(long), np.random.default_rng(0))["prefix"]
    assert (made.words[HEAD:] == SPECIALS).all()


def test_each_caption_of_a_clip_is_drawn_as_often():
    captions = ["one", "one two", "one two three"]
    draw, rng = to_sample(Toy(), 0.25), np.random.default_rng(0)
    made = [draw.random_map(token_sample(*captions), rng)["prefix"].words for _ in range(400)]
    said = Counter(int((words[HEAD:] == SPECIALS).sum()) for words in made)
    assert said.keys() == {0, 1, 2, 3} and all(70 <= count <= 130 for count in said.values())


def test_the_encoder_is_asked_once_for_each_caption_of_the_token_sets(tmp_path):
    captions = ["a red seven", "blue", "", "a red seven", "blue", "two"] * 3
    samples = [token_sample(*captions[:3])] * 9 + [token_sample(*captions[3:])] * 9
    write_tokens(
        tmp_path / "tokens",
        lambda start, stop: samples[start:stop],
        runs=[TokenRun(len(samples), 9, 16, 24)],
        tokenizer_hash="x",
        fps=8.0,
        time_stride=4,
    )
    source, first = open_tokens(tmp_path / "tokens"), Toy()
    embed(CONFIG, CachedEncoder(first, tmp_path / "cache"), [source, source])
    assert sorted(first.asked) == ["a red seven", "blue", "two"]
    later = Toy()  # another run
    text = CachedEncoder(later, tmp_path / "cache")
    embed(CONFIG, text, [source])
    made = [to_sample(text, 0.0).random_map(source[i], np.random.default_rng(i))["prefix"] for i in range(len(source))]
    assert later.asked == []
    np.testing.assert_array_equal(made[3].text, Toy().encode(["a red seven"]).values[0])


def test_a_model_takes_only_an_encoder_of_its_own_width_and_rows(tiny_model, params):
    narrow, short = Toy(), Toy()
    narrow.width, short.max_tokens = 4, 5
    for text, message in ((narrow, "embeddings of width 8, not embeddings of width 4"), (short, "gives 5 rows; .* 12")):
        with pytest.raises(RequestError, match=message):
            LanguageModel(CONFIG, params, text)
    with pytest.raises(RequestError, match="width 8, not pieces"):
        LanguageModel(CONFIG, params, tiny_model.lm.text)
    with pytest.raises(RequestError, match="text_vocabulary 1"):
        replace(CONFIG, text_vocabulary=512)


def test_the_matrix_beside_the_words_is_cut_over_a_mesh(params):
    axes = (jax.sharding.AxisType.Auto,) * 4
    mesh = jax.sharding.AbstractMesh((1, 2, 4, 1), ("data", "fsdp", "tensor", "sequence"), axis_types=axes)
    for rules in (sharding.RULES, sharding.RULES_IN_USE):
        where = sharding.of_state(params, mesh, rules)
        assert where["text"]["kernel"].spec == where["prefix"]["embedding"].spec != jax.P()
