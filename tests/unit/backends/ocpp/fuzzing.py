"""What the fuzz tests throw: frames right, mutated and random, handshakes, and bytes below both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

REQUESTS: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).parents[3] / "data" / "ocpp-requests.json").read_text(encoding="utf-8")
)
# Texts that have broken servers before.
NASTY = st.sampled_from(
    [
        "",
        "'; DROP TABLE transactions; --",
        '" OR 1=1 --',
        "a/b/../../etc/passwd",
        "%2e%2e%2f%00%zz",
        "x" * 300,
        "x" * 70_000,
        "\r\nInjected: line",
        "\x00\x1b[31m",
        "\u202e\u2028\ufffe",
        "𝕏" * 40,
        "=1+1",
        "__class__",
        "{0.__class__}",
        "%s%n",
        "NaN",
        "1e999",
        "0x10",
        "-0",
        "9" * 400,
        "1_000",
        "9999-12-31T23:59:59.999999+23:59",
        "0001-01-01T00:00:00-23:59",
        "2026-02-30T25:61:61Z",
    ]
)
NUMBERS = st.sampled_from([0, -1, 1, 2**31 - 1, 2**31, 2**63, -(2**63) - 1, 10**40, 1e308, -0.0])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.floats() | st.text() | NASTY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
ANSWERS = [[3, "6", {}], [4, "7", "GenericError", "", {}], [3, "a-1", {"status": "Accepted"}]]
IDS = st.sampled_from(["same", "1", "", "x" * 36, "x" * 300, "a/b", "100%", "'; --"])


@st.composite
def good(draw: Any, version: str) -> list[Any]:
    """A frame in order; its message id may have been there before."""
    action = draw(st.sampled_from(sorted(REQUESTS[version])))
    return [2, draw(IDS), action, json.loads(json.dumps(REQUESTS[version][action]))]


@st.composite
def mutated(draw: Any, version: str) -> list[Any]:
    """A frame with some of its places replaced, removed, doubled, renamed or wrapped."""
    frame = draw(
        good(version) | st.sampled_from(ANSWERS).map(lambda it: json.loads(json.dumps(it)))
    )
    for _ in range(draw(st.integers(1, 3))):
        _mutate(draw, frame)
    return frame


def _mutate(draw: Any, here: Any) -> None:
    while True:
        keys = list(range(len(here))) if isinstance(here, list) else list(here)
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if isinstance(here[key], (list, dict)) and draw(st.booleans()):
            here = here[key]
            continue
        how = draw(st.sampled_from(["replace", "remove", "double", "rename", "wrap"]))
        if how == "replace":
            here[key] = draw(JSON)
        elif how == "remove":
            del here[key]
        elif how == "wrap":
            here[key] = draw(st.sampled_from([[here[key]], {"x": here[key]}, str(here[key])]))
        elif isinstance(here, list):
            here.append(here[key])
        else:
            here[draw(NASTY | st.text())] = here[key]
        return


@st.composite
def broken(draw: Any, version: str) -> str:
    """The text of a frame, cut, torn or stuffed."""
    text = json.dumps(draw(good(version)))
    at = draw(st.integers(0, len(text)))
    stuffing = draw(st.text(max_size=5) | st.sampled_from(['"', "[", "]", "{", "\\", "\\ud800"]))
    rest = draw(st.integers(at, len(text)))
    return text[:at] + stuffing + text[rest:]


DEEP = st.builds(
    lambda opening, depth, closing: (
        '[2,"deep","Authorize",{"idTag":' + opening * depth + ("]" * depth if closing else "")
    ),
    st.sampled_from(["[", '{"a":', '[{"a":']),
    st.sampled_from([10, 500, 5_000, 60_000]),
    st.booleans(),
)


def texts(version: str) -> Any:
    """Any text (or bytes) that a charge point may send."""
    near = mutated(version).map(json.dumps)
    return (
        near
        | near.map(str)  # more of these: they come the furthest
        | near.map(str.strip)
        | good(version).map(json.dumps)
        | broken(version)
        | DEEP
        | JSON.map(json.dumps)
        | st.lists(JSON, max_size=6).map(json.dumps)
        | st.text()
        | st.binary()
        | st.just("[2," + " " * 300_000)
    )


PATHS = st.sampled_from(
    """/ocpp/FUZZ / * /ocpp/ /ocpp/a%2Fb /ocpp/%zz /ocpp/%ff /ocpp/%00 /ocpp/100%25 http://x/
    /ocpp/';DROP%20TABLE%20events;-- /ocpp/FUZZ?x=1#y /../../etc/passwd""".split()  # noqa: SIM905
) | st.sampled_from(["", "/ocpp/" + "x" * 300, "/ocpp/" + "x" * 9_000])
HEADERS = {
    "Host": ["x", ""],
    "Upgrade": ["websocket", "h2c", ""],
    "Connection": ["Upgrade", "close", "keep-alive, Upgrade"],
    "Sec-WebSocket-Key": ["dGhlIHNhbXBsZSBub25jZQ==", "short", "", "ü"],
    "Sec-WebSocket-Version": ["13", "8", "x"],
    "Sec-WebSocket-Protocol": ["ocpp1.6", "ocpp2.0.1, ocpp1.6", "ocpp1.5", "soap", ",,,", "ü"],
    "Sec-WebSocket-Extensions": ["permessage-deflate; client_max_window_bits", "x; y=1"],
    "Content-Length": ["5", "-1", "99999999999"],
    "X": ["y" * 9_000, "a: b", "\x01"],
}


@st.composite
def handshakes(draw: Any, authorization: str) -> bytes:
    """A request to become a socket, as it is or as it should not be."""
    line = f"{draw(st.sampled_from(['GET', 'POST', 'PRI', 'get', 'G' * 9000]))} {draw(PATHS)} HTTP/"
    line += draw(st.sampled_from(["1.1", "1.0", "2", "x"]))
    lines = [line]
    for name, values in HEADERS.items():
        some = draw(st.lists(st.sampled_from(values), max_size=2))
        lines += [f"{name}: {value}" for value in some]
    wrong = ["Basic", "Basic !!!", "Basic eDp5", "Bearer x", "Digest " + "a" * 2000]
    some = draw(st.lists(st.sampled_from([authorization, *wrong]), max_size=2))
    lines += [f"Authorization: {value}" for value in some]
    request = "\r\n".join([*lines, "", ""]).encode("utf-8")
    if draw(st.booleans()):
        request = request[: draw(st.integers(0, len(request)))]
    return request + draw(st.binary(max_size=20) if draw(st.booleans()) else st.just(b""))


@st.composite
def below(draw: Any) -> bytes:
    """Bytes of the WebSocket protocol, mostly wrong: opcodes, masks, lengths, parts."""
    frames = b""
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, 255))
        content = draw(st.binary(max_size=140))
        mask = draw(st.sampled_from([0x80, 0]))
        reported = draw(st.sampled_from([len(content), 0, 125, 126, 127]))
        frames += bytes((first, mask | min(reported, 127)))
        if reported >= 126:
            frames += draw(st.binary(min_size=2, max_size=8))
        frames += (b"\0\0\0\0" if mask else b"") + content
    return frames
