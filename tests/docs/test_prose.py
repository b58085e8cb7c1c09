"""Plain English: short sentences, and no phrase of the list of words."""

from __future__ import annotations

import configparser
import functools
import re
from itertools import pairwise
from pathlib import Path

import pytest

from .blocks import DOCS, ROOT, all_pages
from .prose import length, paragraphs, sentences

MAX_WORDS = 30
MAX_MEAN_WORDS = 14
CODE = ["agents", "bench", "chargepoint_driver", "examples", "tests"]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *all_pages()]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_sentences_are_short(path: Path):
    found = list(sentences(path.read_text(encoding="utf-8")))
    assert [one for one in found if length(one) > MAX_WORDS] == []
    assert sum(map(length, found)) <= MAX_MEAN_WORDS * len(found)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_phrase_of_the_list_is_broken_over_two_lines(path: Path):
    # codespell reads line by line.
    for paragraph in paragraphs(path.read_text(encoding="utf-8")):
        assert _phrases_in(paragraph) == set(), paragraph


@pytest.mark.parametrize("folder", CODE)
def test_no_phrase_is_broken_over_two_lines_of_code(folder: str):
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        for number, (line, after) in enumerate(pairwise(lines), start=1):
            # A phrase has at most five words.
            begin, end = line.split()[-4:], after.removeprefix("#").split()[:4]
            alone = _phrases_in(" ".join(begin)) | _phrases_in(" ".join(end))
            if phrases := _phrases_in(" ".join([*begin, *end])) - alone:
                found[f"{path.relative_to(ROOT)}:{number}"] = phrases
    assert found == {}


def _phrases_in(text: str) -> set[str]:
    """The phrases of the list in a text, as `make check` finds them in a line."""
    words, listed = _list()
    return {one for one in words.findall(text) if " " in one and one.lower() in listed}


@functools.cache
def _list() -> tuple[re.Pattern[str], set[str]]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = (DOCS / "banned-words.txt").read_text(encoding="utf-8").splitlines()
    return re.compile(config["codespell"]["regex"]), {line.partition("->")[0] for line in listed}


def test_sentences_of_a_page():
    page = (
        "# Not this one here\n\nOne. Two, `a.b c` three.\nFour\n\n| a | b c d |\n\n- Five\n  six.\n"
        "- [Seven eight](x.md#nine).\n\n```sh\nten. Eleven\n```\nTwelve.\n"
    )
    found = list(sentences(page))
    assert found == ["One.", "Two, CODE three.", "Four", "Five six.", "Seven eight.", "Twelve."]
    assert [length(one) for one in found] == [1, 3, 1, 2, 2, 1]
