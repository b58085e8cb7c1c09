#!/bin/sh
# A VOLTTRON platform with the driver, for a container: the devices of the account are deployed
# at each start. Needs CHARGEPOINT_USERNAME, CHARGEPOINT_PASSWORD and CHARGEPOINT_ENDPOINT.
set -eu
export VOLTTRON_HOME="${VOLTTRON_HOME:-$HOME/volttron}"
mkdir -p "$VOLTTRON_HOME"
cd "$VOLTTRON_HOME"
rm -f VOLTTRON_PID
printf '[project]\nname = "site"\nversion = "0"\nrequires-python = ">=3.10,<4"\n[tool.poetry]\npackage-mode = false\n' > pyproject.toml
volttron --dev -v &
platform=$!
driver=
trap 'kill -TERM $driver "$platform"; wait; exit 0' INT TERM
for _ in $(seq 60); do
    [ -e VOLTTRON_PID ] && break
    sleep 1
done
[ -e VOLTTRON_PID ] || { echo "the platform did not start within 60 s" >&2; exit 1; }
[ -e credentials_store/platform.driver.json ] || vctl auth add platform.driver
chargepoint-driver discover --deploy
AGENT_VIP_IDENTITY=platform.driver \
    AGENT_CREDENTIALS=credentials_store/platform.driver.json \
    python -m platform_driver.agent &
driver=$!
wait "$platform"
