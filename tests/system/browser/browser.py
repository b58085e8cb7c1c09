"""A real browser without a window, asked as a user would."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    JavascriptException,
    StaleElementReferenceException,
)
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from ...unit.web.conftest import PATIENCE_S, STATION, TOKEN, eventually

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # containers have no user namespaces
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-proxy-server",
    "--disable-background-networking",
    "--window-size=1280,1000",
)

# Why a user cannot click an element just now, "" where one can: it is in the window, two frames
# show it in the same place, and it is what lies at its middle.
_HINDRANCE = """
const [element, answer] = arguments;
if (!element.isConnected) return answer("is not there any more");
if (!element.checkVisibility({ visibilityProperty: true })) return answer("is not visible");
if (element.disabled) return answer("is disabled");
element.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
const place = () => element.getClientRects()[0] ?? new DOMRect();
const was = place();
requestAnimationFrame(() => requestAnimationFrame(() => {
  const now = place();
  if (["x", "y", "width", "height"].some((key) => now[key] !== was[key])) return answer("moves");
  const { x, y, width, height } = was;
  const left = Math.max(0, x), right = Math.min(innerWidth, x + width);
  const top = Math.max(0, y), bottom = Math.min(innerHeight, y + height);
  const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  answer(element.contains(hit) ? "" : `is covered by ${hit?.outerHTML.slice(0, 120)}`);
}));
"""
# Each is raised before the click is sent.
_NOT_CLICKED = (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    JavascriptException,
    StaleElementReferenceException,
    LookupError,
    ValueError,
)


class Page:
    """The page in a browser."""

    def __init__(self, paths: tuple[str, str]) -> None:
        options = Options()
        options.binary_location = paths[0]
        for argument in _ARGUMENTS:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(paths[1]))

    def open(self, url: str, token: str = TOKEN) -> Page:
        """Log in by the form."""
        self.driver.get(url)
        self.one("#token").send_keys(token)
        self.press("Log in")
        return self

    def wait_live(self) -> Page:
        eventually(lambda: self.text("#live") in ("Connected", "Verbunden"))
        eventually(lambda: self.all("#ports > li, #table [data-line]"))
        # Of many stations the first come before the others.
        said = "return document.getElementById('count').textContent"
        eventually(lambda: self.js(said) not in ("", "Reading …", "Wird gelesen …"))
        return self

    def one(self, selector: str) -> WebElement:
        """The first that fits, as soon as there is one: a click may lead to another page."""
        found: list[WebElement] = eventually(lambda: self.all(selector))
        return found[0]

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def visible(self, selector: str) -> list[WebElement]:
        return [each for each in self.all(selector) if each.is_displayed()]

    def text(self, selector: str) -> str:
        """The words of the first that fits; one that is made again meanwhile is read again."""
        (words,) = eventually(lambda: (self.all(selector)[0].text,))
        return str(words)

    def click(self, target: str | Callable[[], WebElement]) -> None:
        """Click what fits first of what is visible, as a user does: as soon as it stays in its
        place and nothing covers it. A function finds it again at each try."""
        find = (lambda: self.visible(target)[0]) if isinstance(target, str) else target
        end_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                element = find()
                fault = self.driver.execute_async_script(_HINDRANCE, element)
                if not fault:
                    element.click()
                    return
            except _NOT_CLICKED as error:
                fault = f"{type(error).__name__}: {error}"
            assert time.monotonic() < end_s, f"{target} {fault}"
            time.sleep(0.05)

    def press(self, words: str, within: str = "body") -> None:
        """Click the button of that name."""
        self.click(lambda: self.button(words, within))

    def view(self, name: str) -> Page:
        """Go to another view by its link."""
        self.click(f"#views [data-view={name}]")
        eventually(lambda: self.all(f"#views [data-view={name}][aria-current]"))
        return self

    def choose(self, selector: str, words: str) -> None:
        """Choose the option of a select whose text begins so, as soon as there is one."""

        def found() -> bool:
            for option in self.all(f"{selector} option"):
                if option.text.startswith(words):
                    option.click()
                    return True
            return False

        eventually(found)

    def button(self, words: str, within: str = "body") -> WebElement:
        """The visible button of that name."""
        (found,) = (
            each
            for each in self.visible(f"{within} button")
            if words in (each.text, each.accessible_name)
        )
        return found

    def named(self, selector: str, words: str) -> WebElement:
        """The one that fits and has these words in its name."""
        (found,) = (each for each in self.all(selector) if words in each.accessible_name)
        return found

    def tile(self, cpid: str = STATION, number: int = 1) -> WebElement:
        (found,) = self.all(f'#ports > [data-key="garage {cpid} {number}"]')
        return found

    def fact(self, name: str, cpid: str = STATION, number: int = 1) -> str:
        """Return what a tile shows of something; a tile that is made again is read again."""

        def found() -> tuple[str]:
            words = self.tile(cpid, number).text.splitlines()
            return (words[words.index(name) + 1],)

        (words,) = eventually(found)
        return str(words)

    def do(self, order: str, cpid: str = STATION, number: int = 1) -> None:
        """Press a button of a tile."""
        button = f"[data-do={order}]"
        self.click(lambda: self.tile(cpid, number).find_element(By.CSS_SELECTOR, button))

    def fill(self, name: str, words: str) -> None:
        field = self.one(f"#ask [name={name}]")
        field.clear()
        field.send_keys(words)

    @property
    def is_asking(self) -> bool:
        return self.one("#ask").is_displayed()

    def keys(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    @property
    def focused(self) -> WebElement:
        return self.driver.switch_to.active_element

    def tab_to(self, name: str, most: int = 150) -> None:
        """Go on with the Tab key until what has the focus has that name."""
        for _ in range(most):
            if self.focused.accessible_name == name:
                return
            self.keys(Keys.TAB)
        raise AssertionError(f"the Tab key never came to {name!r}")

    def size(self, width: int, height: int) -> None:
        """As a phone of that size shows it."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True},
        )

    def prefer(self, **features: str) -> None:
        """As for a user with these settings, like prefers_color_scheme="dark"."""
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {
                "features": [
                    {"name": name.replace("_", "-"), "value": value}
                    for name, value in features.items()
                ]
            },
        )

    def saved(self, name: str, folder: Path, press: Callable[[], None]) -> list[list[str]]:
        """The rows of the CSV file that a press of a button saves."""
        self.driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
        )
        press()
        file = folder / name
        eventually(lambda: file.exists() and file.stat().st_size)
        with file.open(encoding="utf-8", newline="") as lines:
            return list(csv.reader(lines))

    def cells(self, column: int) -> list[str]:
        """The words of a column of the table, of the rows that exist."""
        found: list[str] = self.js(
            "return [...document.querySelectorAll('#table tbody tr:not(.group-line)')]"
            ".map((row) => row.children[arguments[0]].textContent)",
            column,
        )
        return found

    def js(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(code, *arguments)

    def complaints(self) -> list[str]:
        """What the browser's console holds since it was asked last."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in ("WARNING", "SEVERE")
        ]

    def close(self) -> None:
        self.driver.quit()
