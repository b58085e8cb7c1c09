"""Response codes of the service, and the refusal that carries one."""

from __future__ import annotations

SUCCESS = "100"
NOT_PERMITTED = "101"
NOT_FOUND = "102"
INVALID_STATION = "119"
RESTORE_FAILED = "127"
NO_SESSIONS = "136"
NO_ALARMS = "153"
BAD_SHED = "171"
GROUP_AND_STATION = "187"

TEXTS = {
    SUCCESS: "API input request executed successfully.",
    NOT_PERMITTED: "You do not have sufficient rights for this call.",
    NOT_FOUND: "No station found.",
    INVALID_STATION: "Invalid Station ID.",
    RESTORE_FAILED: "The shed state could not be restored.",
    NO_SESSIONS: "No session data found.",
    NO_ALARMS: "No alarms found.",
    BAD_SHED: "Invalid parameters.",
    GROUP_AND_STATION: "Search by either sgID or stationID.",
}


class RefusalError(Exception):
    """The call ends with this response code instead of data."""

    def __init__(self, code: str, text: str | None = None) -> None:
        """`text` None means the default text of that code."""
        self.code = code
        self.text = TEXTS[code] if text is None else text
        super().__init__(f"{self.code}: {self.text}")


class SoapFaultError(Exception):
    """The call ends with a SOAP fault."""

    def __init__(self, code: str, text: str, http_status: int = 500) -> None:
        """`code` is a qualified name such as `soapenv:Client`."""
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.http_status = http_status
