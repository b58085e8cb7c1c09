"""Raw sockets that charge one session after the other: see `ocpp_load.Sender`."""

from __future__ import annotations

import time

from bench.ocpp_load import Sender, iso, meter_values

__all__ = ["Charging", "LongSessions", "Sessions", "ShortSessions", "Statuses"]


class Sessions(Sender):
    """Begins and ends without a word in between."""

    statuses = False
    meter_values = 0

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._step = 0
        self._transaction = 0
        before = ["Preparing", "begin", "Charging"] if self.statuses else ["begin"]
        after = ["Finishing", "end", "Available"] if self.statuses else ["end"]
        self._steps = [*before, *["meter"] * self.meter_values, *after]

    def request(self, message_id: str) -> str:
        step = self._steps[self._step]
        self._step = (self._step + 1) % len(self._steps)
        at = iso(time.time())
        if step == "begin":
            return (
                f'[2,"{message_id}","StartTransaction",{{"connectorId":1,"idTag":"04A2B3C4D5",'
                f'"meterStart":{5_000 + self.sent},"timestamp":"{at}"}}]'
            )
        if step == "end":
            return (
                f'[2,"{message_id}","StopTransaction",{{"transactionId":{self._transaction},'
                f'"idTag":"04A2B3C4D5","meterStop":{5_000 + self.sent},"timestamp":"{at}",'
                '"reason":"Local"}]'
            )
        if step == "meter":
            return meter_values(message_id, self.sent, self._transaction)
        return (
            f'[2,"{message_id}","StatusNotification",{{"connectorId":1,"errorCode":"NoError",'
            f'"status":"{step}","timestamp":"{at}"}}]'
        )

    def answered(self, content: bytes) -> None:
        _, found, rest = content.partition(b'"transactionId":')
        if found:
            self._transaction = int(rest.partition(b",")[0].partition(b"}")[0])


class ShortSessions(Sessions):
    """Sessions of 16 messages: statuses, a begin, ten meter values, an end."""

    statuses = True
    meter_values = 10


class LongSessions(Sessions):
    """Sessions of 66 messages: statuses, a begin, 60 meter values, an end."""

    statuses = True
    meter_values = 60


class Statuses(Sessions):
    """A status each, which differs from the one before."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self._steps = ["Preparing", "Charging", "Finishing", "Available"]


class Charging(Sessions):
    """One session that goes on, with meter values. Requests of the server are accepted."""

    meter_values = 1

    def request(self, message_id: str) -> str:
        text = super().request(message_id)
        self._step = 1
        return text

    def asked(self, content: bytes) -> None:
        message_id = content.split(b'"', 2)[1]
        self.write(b'[3,"%b",{"status":"Accepted"}]'.ljust(150) % message_id)
