# make help            print this list
# make demo            run a VOLTTRON platform with simulated stations; limit a port; end automatically
# make test            run all tests, in three processes at a time (python -m tests prints them)
# make check           run lint, types, layers, words and docs
# make docs            build the documentation in build/docs
# make bench           print the measurements
# make fleet-bench     measure commands, reconnects and memory of nodes with 10,000 chargers
# make away            keep a sink of events away for ten minutes under load; MINUTES=1
# make faults          run every call with every fault, as tables
# make fuzz            send random input to the OCPP central system
# make fuzz-xml        run a coverage-guided fuzzer; MINUTES=30
# make fuzz-api        send requests of Schemathesis to the page's API; EXAMPLES=50
# make attack          run floods on loopback, about three minutes
# make kills           kill driver and caching agent 60 times during sheds
# make node-kills      kill and freeze nodes of a fleet, PostgreSQL and NATS, while chargers charge
# make soak            run 1,000 stations and 500 chargers on a platform; MINUTES=30
# make lowest          run the core tests on the lowest permitted versions
# make pythons         run the tests under each installed Python of PYTHONS
# make audit           list known vulnerabilities of installed and lowest versions
# make release-check   build sdist and wheel, and follow the quick start from an empty environment
# make alongside       check that the wheel changes no package of an installed volttron-core
# make live-status     run the live-status example: chargers, broker, store, API, page
# make chromium        install a browser for the tests of the page (apt-get)
# make screenshots     take pictures of every view of the page; OUT=FOLDER PORTS="8 200 2000"
# make engines         install NATS, Mosquitto, PostgreSQL and haproxy for their tests (apt-get)
# make alert-agents    install the platform's agents for alerts and its forwarder, for their tests
# make ilc             run VOLTTRON's ILC and actuator against a simulated port
# make classic         start and stop a real agent of VOLTTRON 9; CLASSIC_SOURCE=FOLDER, else from GitHub
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
CLASSIC_BASE ?= python3.10
LOWEST ?= $(or $(TMPDIR),/tmp)/chargepoint-lowest
PYTHONS ?= python3.10 python3.11 python3.12 python3.13
EACH   ?= $(or $(TMPDIR),/tmp)/chargepoint-pythons
AUDIT  ?= $(or $(TMPDIR),/tmp)/chargepoint-audit
CORE   := $(addprefix tests/unit/,backends/soap cache catalogue cli config registry service simulator) \
          tests/system/faults
PYTEST ?=

RELEASE ?= $(or $(TMPDIR),/tmp)/chargepoint-release

.PHONY: away fleet-bench screenshots live-status help release-check all venv demo test chromium engines alert-agents ilc classic fuzz fuzz-api fuzz-xml faults attack kills node-kills soak lowest pythons audit alongside check docs bench clean
all: check test

# The comment at the top of this file.
help:
	@sed -n '/^# /!q;s/^# //p' $(firstword $(MAKEFILE_LIST))

venv: $(READY)

# One environment for everything: installed once, again when the requirements change.
$(READY): setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all,test,check]'
	touch $(READY)

# The demo needs less than the tests; where those are installed, nothing more is.
DEMO_READY := $(VENV)/.demo-ready
$(DEMO_READY): setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo,ocpp]'
	touch $(DEMO_READY)

demo:
	@$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) -m examples.demo.before
	@$(MAKE) --no-print-directory $(if $(wildcard $(READY)),$(READY),$(DEMO_READY))
	$(BIN)/python -m examples.demo $(if $(KEEP),--keep) $(if $(AGENT),--agent) $(if $(OCPP),--ocpp) $(if $(EVENTS),--events)

test: $(READY)
	$(BIN)/python -m tests $(PYTEST)

# Without it the tests of the page are skipped, which their summary says.
chromium:
	@{ command -v chromium && command -v chromedriver; } >/dev/null || \
	{ timeout 120 apt-get -qq update && \
	  DEBIAN_FRONTEND=noninteractive timeout 300 apt-get -qq install --no-install-recommends \
	      chromium chromium-driver; } || \
	echo "Chromium cannot be installed here; as root: apt-get install chromium chromium-driver" >&2

screenshots: $(READY)
	$(BIN)/python -m tests.system.browser.screenshots $(if $(OUT),--out $(OUT)) $(if $(PORTS),--ports $(PORTS))

# From chargers to a page over a broker: make live-status BROKER=kafka KEEP=1
live-status: $(READY)
	$(BIN)/python -c 'import dash' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check dash
	$(BIN)/python examples/live-status/run.py --broker $(or $(BROKER),auto) $(if $(KEEP),--keep)

# Without them the tests of these sinks and of nodes are skipped, which their summary says. Dash is
# for the page of the example `live-status`. RUNLEVEL=1: the packages start no services.
engines: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check dash || true
	@{ test -x /usr/sbin/nats-server && test -x /usr/sbin/mosquitto && \
	   test -x /usr/sbin/haproxy && ls /usr/lib/postgresql/*/bin/initdb; } >/dev/null 2>&1 || \
	{ timeout 120 apt-get -qq update && \
	  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive timeout 300 apt-get -qq install \
	      --no-install-recommends nats-server mosquitto postgresql haproxy; } || \
	echo "The engines cannot be installed here; as root: apt-get install nats-server mosquitto postgresql haproxy" >&2

# The platform's own agents for alerts, and its forward historian, which the samples `alerts` and
# `historians` are for. Without them their tests are skipped. Their metadata names releases that
# rc38 of the core has replaced.
alert-agents: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --pre --no-deps \
	    volttron-emailer volttron-threshold-detection volttron-topic-watcher \
	    volttron-forward-historian

# In a folder of their own: ILC needs scipy and sympy. Their metadata would replace volttron-core.
ilc: build/ilc/.ready
	$(BIN)/python -m pytest tests/system/platform/test_ilc.py

build/ilc/.ready: $(READY)
	rm -rf build/ilc
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target build/ilc \
	    --pre --no-deps 'volttron-ilc==2.2.3a6' 'volttron-actuator==0.1.1a9'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target build/ilc \
	    'numpy>=2' 'scipy>=1.6' 'sympy>=1.12,<2' 'transitions>=0.9,<0.10'
	touch build/ilc/.ready

# VOLTTRON 9 with the pins of classic/README.md; it is on no package index. About two minutes, once.
classic: build/classic/.ready
	build/classic/env/bin/python -m pip install --quiet --disable-pip-version-check .
	$(BIN)/python -m pytest tests/system/platform/test_classic.py

build/classic/.ready: $(READY)
	rm -rf build/classic
	mkdir -p build/classic
	if test -n "$(CLASSIC_SOURCE)"; then cp -R "$(CLASSIC_SOURCE)" build/classic/source; else \
	    git clone --quiet --depth 1 --branch 9.0.4 https://github.com/VOLTTRON/volttron \
	        build/classic/source; fi
	$(CLASSIC_BASE) -m venv build/classic/env
	build/classic/env/bin/python -m pip install --quiet --disable-pip-version-check 'pip==24.0'
	build/classic/env/bin/python -m pip install --quiet --disable-pip-version-check \
	    'setuptools<=70' 'wheel==0.30' 'pyzmq==26.0.2'
	build/classic/env/bin/python -m pip install --quiet --disable-pip-version-check \
	    --no-build-isolation --editable build/classic/source
	touch build/classic/.ready

# For so long: make fuzz MINUTES=30
fuzz: $(READY)
	FUZZ_MINUTES=$(or $(MINUTES),10) $(BIN)/python -m pytest tests/unit/backends/ocpp/transport/test_connection_fuzz.py -o timeout=0

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture chargepoint_driver --min-confidence 80
	$(BIN)/python -m chargepoint_driver.catalogue.page --check docs/reference/points.md
	$(BIN)/python -m docs.generators --check
	@echo "codespell: the docs, then code and texts"
	@$(BIN)/codespell $(PROSE)
	@$(BIN)/codespell --ignore-words-list $(ON_PURPOSE) $(CODE)
	$(BIN)/python -m pytest tests/docs/test_prose.py tests/packaging/test_language.py
	$(SITE)

# Words to avoid are in docs/banned-words.txt; the settings are in setup.cfg.
PROSE = $(wildcard *.md agents/*.md classic/*.md docs/*.md docs/*/*.md docs/*/*.svg)
CODE  = $(shell find agents bench chargepoint_driver classic docs driver_configs examples tests volttron \
          -name vendor -prune -o -path tests/data -prune -o -name de.json -prune -o -type f \
          \( -name '*.py' -o -name '*.js' -o -name '*.html' -o -name '*.css' -o -name '*.json' -o \
          -name '*.yml' -o -name '*.yaml' -o -name '*.sh' \) -print)
# Misspelt on purpose, in tests and patterns, and two words that OCPP 1.6 spells like this.
ON_PURPOSE = acounts,alue,celcius,chargin,currentl,databas,databse,occurence,optin,pasword,passwrod,passwor,regoin,titel

# Warnings are errors. After an error all pages are read again, since Sphinx reports it only once.
SITE = $(BIN)/python -m sphinx -b html -d build/doctrees -j 2 -q -n -W --keep-going docs build/docs \
	|| { rm -rf build/doctrees; false; }
docs: $(READY)
	$(BIN)/python -m docs.generators
	$(SITE)

bench: $(READY)
	$(BIN)/python -m bench $(BENCH)

fleet-bench: $(READY)
	$(BIN)/python -m bench fleet_long

away: $(READY)
	MINUTES=$(MINUTES) $(BIN)/python -m bench events_long

faults: $(READY)
	$(BIN)/python -m tests.system.faults

# Some rows only: make attack ROWS="pongs half-heads-page". SIGNALS=200 ends 200 processes too.
attack: $(READY)
	ROWS="$(ROWS)" SIGNALS=$(SIGNALS) $(BIN)/python -m tests.system.attacks

# Another number, another order: make kills KILLS=20 SEED=1
kills: $(READY)
	KILLS=$(KILLS) SEED=$(SEED) $(BIN)/python -m tests.system.kills

# Other numbers: make node-kills KILLS=30 CHARGERS=200 SEED=1. Some parts: ONLY="freeze nats" SECONDS=10
node-kills: $(READY)
	KILLS=$(KILLS) CHARGERS=$(CHARGERS) SEED=$(SEED) ONLY="$(ONLY)" SECONDS=$(SECONDS) $(BIN)/python -m tests.system.fleet

fuzz-api: $(READY)
	$(BIN)/python -m tests.system.fuzz.api --max-examples $(or $(EXAMPLES),20)

# For so long in all, shared by the targets.
fuzz-xml: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	for target in replies registry requests frames; do \
	    $(BIN)/python -m tests.system.fuzz $$target $$(($(or $(MINUTES),10) * 15)) || exit 1; \
	done

soak: $(READY)
	MINUTES=$(MINUTES) STATIONS=$(STATIONS) CHARGERS=$(CHARGERS) $(BIN)/python -m tests.system.soak

# Without the platform, whose packages ask for newer versions of some. Old releases use what
# Python has since deprecated.
lowest: $(READY)
	$(PYTHON) -m venv --clear $(LOWEST)
	$(BIN)/python -m tests.packaging.minima > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check \
	    --constraint $(LOWEST)/constraints.txt --editable '.[test,ocpp,plot,web,kafka,nats,mqtt,fleet]'
	$(LOWEST)/bin/python -m pytest -W ignore::DeprecationWarning $(CORE)

# Of pyenv or another manager by their paths: make pythons PYTHONS=/path/to/bin/python3.12
pythons:
	$(PYTHON) -m tests.packaging.pythons $(EACH) $(PYTHONS)

# Both, also when the first has found something. pip-audit asks the package index.
audit: $(READY)
	test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT) && \
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit; }
	$(BIN)/python -m tests.packaging.audit installed $(AUDIT)/bin/pip-audit; first=$$?; \
	$(BIN)/python -m tests.packaging.audit lowest $(AUDIT)/bin/pip-audit && exit $$first

# What is in dist afterwards can be published. Prints the time of each step of the quick start.
release-check: $(READY)
	$(BIN)/python -m tests.packaging.release dist $(RELEASE)
	$(BIN)/python -m tests.packaging.newcomer dist $(RELEASE)

alongside: $(READY)
	$(BIN)/python -m tests.packaging.alongside $(or $(TMPDIR),/tmp)/chargepoint-alongside

docs/reference/points.md: $(READY) chargepoint_driver/catalogue/chargepoint.py chargepoint_driver/catalogue/ocpp.py
	$(BIN)/python -m chargepoint_driver.catalogue.page docs/reference/points.md

clean:
	rm -rf $(VENV) build dist *.egg-info
