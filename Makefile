# make demo   a real VOLTTRON platform polls simulated stations, sheds a port, ends by itself
# make test   the tests     make check   lint, types, layers     make bench   measurements
# make chromium  a browser for the tests of the page, where apt-get may install one
# make fuzz   random input against the OCPP central system
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PYTEST ?=

.PHONY: all venv demo test chromium fuzz check bench clean
all: check test
venv: $(READY)

# One environment for everything: installed once, again when the requirements change.
$(READY): setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all,test,check]'
	touch $(READY)

demo: $(READY)
	$(BIN)/python -m examples.demo $(if $(KEEP),--keep) $(if $(AGENT),--agent) $(if $(OCPP),--ocpp)

test: $(READY)
	$(BIN)/python -m pytest $(PYTEST)

# Without it the tests of the page are skipped, which their summary says.
chromium:
	@{ command -v chromium && command -v chromedriver; } >/dev/null || \
	{ timeout 120 apt-get -qq update && \
	  DEBIAN_FRONTEND=noninteractive timeout 300 apt-get -qq install --no-install-recommends \
	      chromium chromium-driver; } || \
	echo "Chromium cannot be installed here; as root: apt-get install chromium chromium-driver" >&2

# For so long: make fuzz MINUTES=30
fuzz: $(READY)
	FUZZ_MINUTES=$(or $(MINUTES),10) $(BIN)/python -m pytest tests/ocpp/csms/test_fuzz.py -o timeout=0

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m chargepoint_driver.catalogue.page --check docs/points.md

bench: $(READY)
	$(BIN)/python -m bench $(BENCH)

docs/points.md: $(READY) chargepoint_driver/catalogue/chargepoint.py chargepoint_driver/catalogue/ocpp.py
	$(BIN)/python -m chargepoint_driver.catalogue.page docs/points.md

clean:
	rm -rf $(VENV) build dist *.egg-info
