"""Plain English: short sentences, and no phrase of the list of words."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

from .blocks import DOCS, ROOT, all_pages
from .prose import length, paragraphs, sentences

MAX_WORDS = 30
MAX_MEAN_WORDS = 14
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *all_pages()]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_sentences_are_short(path: Path):
    found = list(sentences(path.read_text(encoding="utf-8")))
    assert [one for one in found if length(one) > MAX_WORDS] == []
    assert sum(map(length, found)) <= MAX_MEAN_WORDS * len(found)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_phrase_of_the_list_is_broken_over_two_lines(path: Path):
    # codespell reads line by line.
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    words = re.compile(config["codespell"]["regex"])
    listed = (DOCS / "banned-words.txt").read_text(encoding="utf-8").splitlines()
    phrases = {line.partition("->")[0] for line in listed}
    for paragraph in paragraphs(path.read_text(encoding="utf-8")):
        found = {one for one in words.findall(paragraph) if " " in one and one.lower() in phrases}
        assert found == set(), paragraph


def test_sentences_of_a_page():
    page = (
        "# Not this one here\n\nOne. Two, `a.b c` three.\nFour\n\n| a | b c d |\n\n- Five\n  six.\n"
        "- [Seven eight](x.md#nine).\n\n```sh\nten. Eleven\n```\nTwelve.\n"
    )
    found = list(sentences(page))
    assert found == ["One.", "Two, CODE three.", "Four", "Five six.", "Seven eight.", "Twelve."]
    assert [length(one) for one in found] == [1, 3, 1, 2, 2, 1]
