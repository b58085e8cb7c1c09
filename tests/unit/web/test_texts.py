"""Texts of the page: every language has every key, and every key that is used exists."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from chargepoint_driver.web.texts import Texts

PAGE = files("chargepoint_driver.web") / "page"
TEXTS = {
    item.name.removesuffix(".json"): json.loads(item.read_text("utf-8"))
    for item in (PAGE / "texts").iterdir()
}
SCRIPTS = {i.name: i.read_text("utf-8") for i in PAGE.iterdir() if i.name.endswith(".js")}
PAGES = {i.name: i.read_text("utf-8") for i in PAGE.iterdir() if i.name.endswith(".html")}
# Filled in by the server, and not texts.
VALUES = {"code", "preloads", "site", "wrong"}


def forms(text):
    """The forms of a text: one, or one for each plural."""
    return list(text.values()) if isinstance(text, dict) else [text]


def test_english_and_german_are_there():
    assert {"en", "de"} <= set(TEXTS)


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_each_language_has_every_text_with_the_same_places(language):
    assert TEXTS[language].keys() == TEXTS["en"].keys()
    for key, english in TEXTS["en"].items():
        own = TEXTS[language][key]
        assert isinstance(own, dict) == isinstance(english, dict), key
        if isinstance(own, dict):
            assert "other" in own, key
        places = {found for form in forms(english) for found in re.findall(r"\{\w+\}", form)}
        assert {f for form in forms(own) for f in re.findall(r"\{\w+\}", form)} == places, key
        assert all(form.strip() for form in forms(own)), key


def test_every_text_that_is_used_exists_and_every_text_is_used():
    keys = set(TEXTS["en"])
    used, families = {"language"}, set()
    for name, script in SCRIPTS.items():
        for key in re.findall(r'\bt\("([^"]+)"', script):
            assert key in keys, f"{name}: {key}"
        for prefix in re.findall(r"\bt\(`([^$`]+)\$\{", script):
            families.add(prefix)
        families |= {f"{family}." for family in re.findall(r'\bword\("([^"]+)"', script)}
        used |= set(re.findall(r'"([\w.-]+)"', script))
    for name, page in PAGES.items():
        for key in set(re.findall(r"\{\{([^}]+)\}\}", page)) - VALUES:
            assert key in keys, f"{name}: {key}"
            used.add(key)
    used |= {"login.wrong", "login.expired"}
    for prefix in families:
        assert any(key.startswith(prefix) for key in keys), prefix
    assert sorted(k for k in keys - used if not k.startswith(tuple(families))) == []


def test_no_sentence_stands_in_a_script():
    """What people read is a text: no string of several words in the scripts."""
    for name, script in SCRIPTS.items():
        code = re.sub(r"//[^\n]*", "", script)
        for words in re.findall(r'"([^"\n]*)"', code):
            assert not re.search(r"[A-Z][a-z]+ [a-z]+ [a-z]+", words), f"{name}: {words}"


def test_the_language_is_that_of_the_cookie_then_of_the_browser_then_english():
    texts = Texts(
        {f"texts/{code}.json": json.dumps({"language": code}).encode() for code in ("en", "de")}
    )
    assert texts.choose(None, None) == "en"
    assert texts.choose(None, "de-AT,de;q=0.9,en;q=0.8") == "de"
    assert texts.choose(None, "fr, en;q=0.5, de;q=0.7") == "de"
    assert texts.choose(None, "de;q=x, ,;;") == "en"
    assert texts.choose("de", "en") == "de"
    assert texts.choose("../x", "fr") == "en"


def test_a_third_language_needs_no_code():
    texts = Texts(
        {
            "texts/en.json": b'{"language": "English", "a.b": "one"}',
            "texts/fr.json": '{"language": "Français", "a.b": "un <b>"}'.encode(),
        }
    )
    assert texts.languages == {"en": "English", "fr": "Français"}
    assert texts.fill(b"{{a.b}} {{x}} {{y}}", "fr", {"x": "<i>"}, {"y": "<u>"}) == (
        b"un &lt;b&gt; &lt;i&gt; <u>"
    )
