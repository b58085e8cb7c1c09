"""`make fuzz-xml`: one target under a coverage-guided fuzzer, for a number of seconds.

    python -m tests.system.fuzz replies 600

What it finds is left in build/fuzz. Copied to tests/system/fuzz/found as
`<target>-<what it shows>` it is a test.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["chargepoint_driver"]):
    from .targets import TARGETS, seeds

LIMIT_MB, LIMIT_S = 1_024, 20
# What a fuzzer would take long to spell.
WORDS = (
    *("<stationData>", "</stationData>", "<Port>", "</Port>", "<portNumber>1</portNumber>"),
    *("<stationID>1</stationID>", "<portLoad>1</portLoad>", "<responseCode>100</responseCode>"),
    *("<!-- -->", "<![CDATA[", "]]>", "<?p ?>", "<!DOCTYPE a>", "&amp;", "&#0;", ' xmlns=""'),
    *("Port #", "Volttron Point Name", "Attribute Name", "LoadRegister", "1e999", "NaN"),
    *('[2,"1","', '",{', "}]", '[3,"1",{}]', '[4,"1","GenericError","",{}]', '"Heartbeat"'),
    *('"TransactionEvent"', '"StatusNotification"', '"MeterValues"', '"meterValue":[{'),
    *('"sampledValue":[{', '"value":"1"', '"measurand":"', '"phase":"L1"', '"unit":"kWh"'),
    *('"eventType":"Ended"', '"connectorId":0', '"evseId":1', '"transactionId":1', '"seqNo":'),
    *('"timestamp":"2026-01-01T00:00:00Z"', '"9999-12-31T23:59:59+23:59"', "null", "1e308"),
)


def main() -> None:
    target, seconds = sys.argv[1], int(sys.argv[2])
    logging.disable()
    corpus = Path("build/fuzz") / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(seeds(target)):
        (corpus / f"seed-{number}").write_bytes(content)
    words = corpus.with_suffix(".words")
    quoted = (word.replace('"', r"\"") for word in WORDS)
    words.write_text("".join(f'"{word}"\n' for word in quoted))
    atheris.Setup(
        [
            sys.argv[0],
            str(corpus),
            f"-max_total_time={seconds}",
            f"-timeout={LIMIT_S}",
            f"-rss_limit_mb={LIMIT_MB}",
            f"-dict={words}",
            "-max_len=20000",
            "-print_final_stats=1",
            f"-artifact_prefix=build/fuzz/{target}-",
        ],
        TARGETS[target],
    )
    atheris.Fuzz()


main()
