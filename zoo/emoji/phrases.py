"""Write sentences about what animated emoji show, and about what none of them shows, in English and Chinese.

In: emoji, their names in other languages, frequent words. Out: two lists, with which prompt retrieval learns to tell
prompts that it knows from others. Emoji that do not move are what no picture shows. The rows of `unknown.tsv`, with
which models are judged, are in neither list.
"""

import csv
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reelm.tokenizer.text.words import is_han

from .packages import Emoji
from .translations import Translation

UNKNOWN = Path(__file__).with_name("unknown.tsv")
"""Prompts of which no emoji is a picture, written by hand: a kind and words of each."""

_ENGLISH = (
    "a {how} {it}", "the {it} is {does}", "a {it} {does} in {where}", "two {how} {it}s", "{it}, {how} and {how}",
    "I want to see a {it}", "please draw a {how} {it}", "a {how} {it} {does} in {where}", "{it} {does}", "my {it}",
    "a kind of {it}", "something like a {it}", "the {it} that was {does} in {where}", "a {it}", "show me a {it}",
)  # fmt: skip
_CHINESE = (
    "一个{it}", "一只{it}", "很多{it}", "可爱的{it}", "我看见{it}", "红色的大{it}", "{it}在公园里", "在雨里的{it}",
    "正在跳的{it}", "会动的{it}", "我想看{it}", "老{it}", "有{it}的东西", "两个{it}在跑", "给我画一个{it}",
    "夜里的{it}",
)  # fmt: skip
_HOW = "small big old red fast funny sleepy angry wooden shiny tiny huge quiet broken golden wet lonely happy".split()
_DOES = "running sleeping falling jumping spinning waiting shining flying dancing standing burning melting".split()
_WHERE = ("the park", "the rain", "the city", "a field", "the snow", "space", "the kitchen", "the sea", "my garden")
_JOINED = ("{} {}", "a {} with {}", "{} of {} in the park", "{}, {}")
_JOINED_CHINESE = ("{}{}", "{}的{}", "{}和{}", "有{}的{}", "{}在{}里", "住在{}的{}", "{}用的{}")
_OF_EACH = 3  # sentences of a word that names an emoji, and one less of other words
_JOINED_OF_EACH = 4  # sentences of several keywords of an emoji, in each language
_FREQUENT_SENTENCES, _OF_LETTERS = 13_000, 4_000
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz")


class Phrases(NamedTuple):
    """Words and sentences: of what some emoji shows, and of what none shows."""

    shown: list[str]
    others: list[str]


def phrases(
    emoji: Sequence[Emoji], translations: Mapping[str, Sequence[Translation]], frequent: Iterable[str]
) -> Phrases:
    """Return the phrases; the same emoji and words give the same.

    Args:
        emoji: animated ones, and others.
        translations: names and keywords of each by its base.
        frequent: words of any language.
    """
    rng = random.Random(0)
    every = {each.base: each for each in emoji if not each.tone}.values()
    words = {each.base: _words_of(each, translations.get(each.base, ())) for each in every}
    shown = dict.fromkeys(word for each in every if each.animated for word in words[each.base])
    known = {part for word in shown for part in (word.lower(), *re.findall(r"[^\W\d_]+", word.lower()))}
    judged = unknown_prompts()
    free = [word for word in frequent if not _stems(word.lower()) & known]
    other = dict.fromkeys(word for each in every for word in words[each.base] if word.lower() not in known)
    sentences = [_sentence(word, rng) for word in shown for _ in range(_OF_EACH)]
    joined = {each.base: list(_joined(words[each.base], rng)) for each in every}
    described = [each for one in every if one.animated for each in joined[one.base]]
    others = [
        *other,
        *(_sentence(word, rng) for word in other for _ in range(_OF_EACH - 1)),
        *(each for one in every if not one.animated for each in joined[one.base]),
        *free,
        *(_sentence(word, rng) for word in rng.sample(free, min(len(free), _FREQUENT_SENTENCES))),
        *(_letters(rng) for _ in range(_OF_LETTERS)),
    ]
    excluded = {prompt for listed in judged.values() for prompt in listed}
    return Phrases([*sentences, *described], [each for each in dict.fromkeys(others) if each not in excluded])


def unknown_prompts() -> dict[str, list[str]]:
    """Return the prompts of `UNKNOWN` by their kind."""
    found: dict[str, list[str]] = {}
    with UNKNOWN.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            found.setdefault(row["kind"], []).append(row["prompt"])
    return found


def _words_of(emoji: Emoji, translations: Sequence[Translation]) -> list[str]:
    others = (word for each in translations for word in (each.name, *each.keywords))
    return list(dict.fromkeys((*emoji.names, *emoji.keywords, *others)))


def _stems(word: str) -> set[str]:
    """Return the forms of a word that may be those of an emoji: itself, and English ones without an ending."""
    return {word, *(word.removesuffix(end) for end in ("s", "es", "ing", "ed", "y")), f"{word}s"}


def _is_chinese(words: str) -> bool:
    return all(map(is_han, words))


def _sentence(word: str, rng: random.Random) -> str:
    if _is_chinese(word):
        return rng.choice(_CHINESE).format(it=word)
    return rng.choice(_ENGLISH).format(it=word, how=rng.choice(_HOW), does=rng.choice(_DOES), where=rng.choice(_WHERE))


def _joined(words: Sequence[str], rng: random.Random) -> Iterable[str]:
    """Yield sentences of two keywords of one emoji."""
    for forms, listed in (
        (_JOINED, [word for word in words if word.isascii()]),
        (_JOINED_CHINESE, [word for word in words if _is_chinese(word)]),
    ):
        for _ in range(_JOINED_OF_EACH if len(listed) > 2 else 0):
            yield rng.choice(forms).format(*rng.sample(listed, 2))


def _letters(rng: random.Random) -> str:
    """Return letters, digits or signs without a meaning."""
    draw = rng.random()
    if draw < 0.4:
        return "".join(rng.choices(_KEYS[-1], k=rng.randint(3, 10)))
    if draw < 0.6:
        words = ("".join(rng.choice("bcdfgklmnprstvz") + rng.choice("aeiou") for _ in range(3)) for _ in range(2))
        return " ".join(words)
    if draw < 0.8:
        row = rng.choice(_KEYS[:-1])
        first = rng.randrange(len(row) - 3)
        return row[first : first + rng.randint(3, 7)] * rng.randint(1, 2)
    return "".join(rng.choices("!?#$%&*()-_=+[]{};:/|<>.,~0123456789abc ", k=rng.randint(3, 10))).strip() or "?"
