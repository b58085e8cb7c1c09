"""The service's side of a test: replies to order, and the requests that came."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import responses
from lxml import etree

DATA = Path(__file__).parents[3] / "data"
URL = "https://service.test/webservices/chargepoint/services/5.0"
ENVELOPE_NS = "http://schemas.xmlsoap.org/soap/envelope/"
SERVICE_NS = "urn:dictionary:com.chargepoint.webservices"

Answer: TypeAlias = bytes | str | tuple[int, dict[str, str], bytes | str] | Exception


def envelope(body: str) -> str:
    return (
        f'<s:Envelope xmlns:s="{ENVELOPE_NS}" xmlns:n="{SERVICE_NS}">'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )


def reply(call: str, inner: str = "", code: str = "100", text: str = "said so") -> str:
    return envelope(
        f"<n:{call}Response><responseCode>{code}</responseCode>"
        f"<responseText>{text}</responseText>{inner}</n:{call}Response>"
    )


def fault(code: str, text: str) -> str:
    return envelope(
        f"<s:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring></s:Fault>"
    )


def recorded(name: str) -> bytes:
    return (DATA / f"{name}.xml").read_bytes()


@dataclass
class Request:
    """One request as it came in."""

    headers: dict[str, str]
    content: bytes

    @property
    def root(self) -> etree._Element:
        return etree.fromstring(self.content)

    @property
    def element(self) -> etree._Element:
        found = self.root.find(f"{{{ENVELOPE_NS}}}Body/*")
        assert found is not None
        return found

    def texts(self, path: str) -> list[str | None]:
        return [element.text for element in self.element.findall(path)]

    def tags(self) -> list[str]:
        """Names of all elements below the operation's own, in document order."""
        return [str(element.tag) for element in self.element.iterdescendants()]


class Service:
    """Answers in the order given; the last answer again and again."""

    def __init__(self, mock: responses.RequestsMock, url: str = URL) -> None:
        self.requests: list[Request] = []
        self._answers: list[Answer] = []
        mock.add_callback(responses.POST, url, callback=self._answer, content_type=None)

    def answers(self, *answers: Answer) -> Service:
        self._answers = list(answers)
        return self

    def _answer(self, request: object) -> tuple[int, dict[str, str], object]:
        self.requests.append(Request(dict(request.headers), request.body))  # type: ignore[attr-defined]
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, tuple):
            return answer
        if isinstance(answer, Exception):
            return 0, {}, answer
        return 200, {}, answer
