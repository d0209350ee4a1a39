"""Prompt retrieval: which caption a prompt means, how one is fitted, and models that read through it."""

from dataclasses import replace

import numpy as np
import pytest
from made.models import reader

import reelm
from reelm.cli.main import main
from reelm.errors import RequestError
from reelm.tokenizer import text_encoders
from reelm.tokenizer.text.prompt_retrieval import PromptRetrieval
from reelm.tokenizer.text.sentence_encoder import SentenceEncoder
from reelm.train.export import ExportPlan, export
from reelm.train.lm.prompt_retrieval import Words, fit, read_file

CAPTIONS = {
    "dog": ["puppy", "a hound that barks", "canine pet"],
    "rain": ["shower", "a downpour", "wet weather"],
    "car": ["automobile", "road vehicle", "driving"],
}
MODIFIERS = {
    "dark": ": dark",
    "medium-dark": ": medium-dark",
    "on blue": " on blue",
    "on a blue background": " on blue",
    "深色": ": dark",
    "蓝色背景": " on blue",
    "🏿": ": dark",
}
NAMES = {"狗": "dog", "汽车": "car", "🚗": "car", "🏃🌧": "rain"}


@pytest.fixture(scope="module")
def shipped():
    return reelm.load("emoji")


@pytest.fixture(scope="module")
def small(shipped) -> PromptRetrieval:
    return fit(shipped.lm.text, Words(CAPTIONS, MODIFIERS, NAMES)).retrieval


@pytest.mark.parametrize(
    ("prompt", "caption"),
    [
        ("dog", "dog"),
        (" DOG. ", "dog"),
        ("my little doggy", "dog"),
        ("a thunderstorm", "rain"),
        ("a taxi in traffic", "car"),
        ("a medium-dark taxi", "car: medium-dark"),
        ("on a blue background: a dark dog", "dog: dark on blue"),
        ("on blue", "on blue"),
        ("狗", "dog"),
        ("蓝色背景深色汽车。", "car: dark on blue"),
        ("", ""),
        ("🚗", "car"),
        ("\ufe0f🚗\ufe0f on blue", "car on blue"),
        ("🏃🏿\u200d🌧\ufe0f", "rain: dark"),
        ("a red 🚗 in traffic", "car"),
        ("可爱的汽车", "car"),
        ("很多汽車", "car"),
    ],
)
def test_a_prompt_is_read_as_the_caption_that_means_it(shipped, small, prompt, caption):
    assert small.read(prompt) == caption


def test_who_names_what_is_read_is_known_and_who_says_it_otherwise_probably(shipped, small):
    assert small.similarity("深色狗") == small.similarity("a dog in the snow") == (1.0, "dog", ())
    like = small.similarity("a doggy")
    assert like.nearest == "dog" and 0 < like.value < 1 and not like.unread
    assert small.similarity("the quarterly tax report").value < like.value


@pytest.mark.parametrize(
    ("prompt", "unread"), [("🍕", "🍕"), ("코끼리", "코끼리"), ("코끼리 코끼리 dog", "코끼리"), ("?!?", "?!?")]
)
def test_half_a_prompt_that_the_encoder_cannot_read_is_named(small, prompt, unread):
    like = small.similarity(prompt)
    assert like.value == 0 and "".join(like.unread).startswith(unread)


def test_a_modifier_is_a_whole_word(shipped, small):
    assert small.read("dogs in the darkness") == "dog"


def test_phrases_that_were_fitted_are_found(shipped, small):
    for caption, others in CAPTIONS.items():
        assert [small.read(words) for words in others] == [caption] * len(others)


def test_other_words_that_are_too_long_are_left_out_and_such_a_caption_is_refused(shipped, small):
    long = "very " * 30 + "good dog"
    longer = fit(shipped.lm.text, Words({**CAPTIONS, "dog": [*CAPTIONS["dog"], long]}, MODIFIERS, NAMES)).retrieval
    np.testing.assert_array_equal(longer.params["kernel"], small.params["kernel"])
    for caption in (long, "코끼리"):
        with pytest.raises(RequestError, match=f"the text encoder cannot read '{caption}', or it is too long"):
            fit(shipped.lm.text, Words({**CAPTIONS, caption: []}, MODIFIERS, NAMES))


def test_the_shipped_one_knows_its_captions_and_other_words_for_them(shipped):
    assert shipped.read_as("a plane taking off") == "airplane departure"
    assert shipped.read_as("dark-skinned woman running on a purple background") == (
        "woman running: dark skin tone on purple"
    )
    assert shipped.read_as("深肤色的挥手") == "waving hand: dark skin tone"
    assert shipped.read_as("鬧鐘") == shipped.read_as("闹钟") == "alarm clock"
    captions = shipped.prompt_retrieval.captions
    assert len(captions) > 700 and [shipped.read_as(caption) for caption in captions] == list(captions)


@pytest.mark.parametrize(
    ("prompt", "known"),
    [
        ("a plane taking off", True),
        ("a cup of coffee", True),
        ("coffee", True),
        ("一架客机离开跑道飞上天", True),
        ("the quarterly tax report", False),
        ("欧洲央行的利率决定", False),
        ("pizza", False),
        ("asdfgh", False),
        ("pikachu", False),
        ("코끼리", False),
        ("🍕", False),
    ],
)
def test_words_that_can_only_be_misread_are_unlike_the_captions(shipped, prompt, known):
    assert (shipped.similarity(prompt).value >= shipped.lm.training_domain.similarity) == known


@pytest.mark.slow
def test_a_model_reads_through_it_and_says_so(tiny_model, sentences, tmp_path):
    encoder = text_encoders.load(sentences, max_tokens=30)
    assert isinstance(encoder, SentenceEncoder)
    captions = {"a dog": ["dog runs"], "a plane": ["a plane takes off"]}
    model = reader(tiny_model, encoder)
    lm = replace(model.language_model(), tasks=("t2v", "continuation"))
    retrieval = fit(encoder, Words(captions, {"again": ", again"}, {"犬": "a dog"})).retrieval
    model = replace(model, lm=lm, prompt_retrieval=retrieval)
    model.save(tmp_path / "m")
    loaded = reelm.load(str(tmp_path / "m"))
    assert loaded.info()["text"]["prompt retrieval"] == "2 captions, 1 more names"
    assert loaded.read_as("犬, again") == "a dog, again"
    other = "a plane takes off, again"
    caption = model.read_as(other)
    assert loaded.read_as(other) == caption and caption in ("a dog, again", "a plane, again")
    said, meant = (loaded.generate(prompt, num_frames=5, cfg_scale=2.0) for prompt in (other, caption))
    assert said.info["prompt"] == other and said.info["read_as"] == meant.info["read_as"] == caption
    np.testing.assert_array_equal(said.tokens["video"], meant.tokens["video"])
    np.testing.assert_array_equal(loaded.score(meant, other), loaded.score(meant, caption))
    changing = next(loaded.stream([(0.0, "a dog"), (0.5, other)], num_frames=9, cfg_scale=2.0))
    assert changing.info["read_as"] == ["a dog", caption]
    clips = [loaded.generate("a dog", negative_prompt=words, num_frames=5, cfg_scale=3.0) for words in (other, caption)]
    np.testing.assert_array_equal(clips[0].tokens["video"], clips[1].tokens["video"])


def test_a_model_that_reads_pieces_asks_the_encoder_of_its_prompt_retrieval(tiny_model, small, tmp_path):
    replace(tiny_model, prompt_retrieval=small).save(tmp_path / "m")
    loaded = reelm.load(str(tmp_path / "m"))
    assert loaded.info()["text"]["prompt retrieval reads through"] == small.encoder.kind
    joined = ExportPlan(video_tokenizer=tmp_path / "m", lm=[tmp_path / "m"], check_draws=False)
    for words in ("a taxi in traffic", "a doggy", "汽车"):
        assert loaded.read_as(words) == small.read(words)
        assert loaded.similarity(words).value == pytest.approx(small.similarity(words).value, abs=1e-5)
    assert export(joined, tmp_path / "joined").read_as("汽车") == "car"
    (tmp_path / "m" / "prompt_retrieval.model").unlink()
    with pytest.raises(RequestError, match=r"prompt_retrieval\.model"):
        reelm.load(str(tmp_path / "m"))


def test_an_encoder_of_no_sentences_is_refused(tiny_model):
    with pytest.raises(RequestError, match="asks a sentence encoder; .*--prompt-retrieval-encoder"):
        fit(tiny_model.lm.text, Words(CAPTIONS, MODIFIERS, NAMES))


def test_traditional_characters_are_those_of_a_simplified_name(small):
    assert small.read("汽車") == "car" and small.similarity("汽車").value == 1.0


@pytest.mark.parametrize(
    ("prompt", "caption"),
    [
        ("🚀", "rocket"),
        ("🚀\ufe0f on blue", "rocket on blue"),
        ("👋🏿", "waving hand: dark skin tone"),
        ("👩🏽\u200d🚀", "woman astronaut: medium skin tone"),
        ("一只蚂蚁", "ant"),
        ("很多蚂蚁", "ant"),
        ("可爱的骆驼", "dromedary camel"),
        ("飛機起飛", "airplane departure"),
        ("éléphant", "elephant"),
    ],
)
def test_the_shipped_one_reads_characters_and_letters_that_its_encoder_cannot(shipped, prompt, caption):
    assert shipped.read_as(prompt) == caption
    assert shipped.similarity(prompt).value >= shipped.lm.training_domain.similarity


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"captions": {"a": [], "b": []}, "names": {"c": "d"}}',
        '{"captions": {"a": []}}',
        '{"captions": {"a": [], " ": []}}',
        '{"captions": {"a": 1}}',
    ],
)
def test_what_is_no_file_of_synonyms_is_refused_in_a_line(tmp_path, capsys, text):
    path = tmp_path / "words.json"
    path.write_text(text)
    with pytest.raises(RequestError, match="is not a file of synonyms"):
        read_file(path)
    line = [
        "export",
        "--video-tokenizer",
        "emoji",
        "--lm",
        "emoji",
        "-o",
        str(tmp_path / "m"),
        "--prompt-retrieval",
        str(path),
    ]
    assert main(line) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1 and not (tmp_path / "m").exists()


def test_an_encoder_without_prompt_retrieval_is_refused(tmp_path):
    with pytest.raises(RequestError, match="name it, too"):
        export(ExportPlan(video_tokenizer=tmp_path, prompt_retrieval_encoder=tmp_path), tmp_path / "m")
