"""Control: what was commanded, what is reported, and what the two come to.

`control` is the door; `values` checks what is written; `commands` sends; `ledger` and `store`
keep the books; `held` and `report` judge; `keeping` confirms and renews; `alerts` tells the host;
`site`, `shares` and `division` hold station groups to a total; `reverting` takes back.
"""

from chargepoint_driver.service.shed_control.alerts import Alert
from chargepoint_driver.service.shed_control.command_store import CommandStore
from chargepoint_driver.service.shed_control.controller import Control
from chargepoint_driver.service.shed_control.validation import Division, ShedOptions, check_minutes

__all__ = ["Alert", "CommandStore", "Control", "Division", "ShedOptions", "check_minutes"]
