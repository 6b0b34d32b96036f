# Each target does all of its own set-up on a machine that has Python >= 3.11, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
PACKAGES := flext_observability,sluiceway
FLEXT := tests/flext
# What needs a real server fails without it, where the target is about that server.
WITH_SERVERS := SLUICEWAY_REQUIRE_SERVERS=1
MONITORING := $(PYTHON) scripts/monitoring.py
OBSERVABILITY := $(BIN)/python scripts/observability.py

.DEFAULT_GOAL := help
.PHONY: help demo bench nox servers clean install-dev setup
.PHONY: lint style type-check format check security validate l tc t v
.PHONY: test test-fast test-unit test-integration test-observability test-monitoring
.PHONY: test-metrics-e2e test-tracing-distributed test-alerts-integration
.PHONY: test-health-monitoring coverage-html
.PHONY: observability-config-check observability-validate observability-test
.PHONY: observability-init metrics-collect traces-start alerts-configure health-monitor
.PHONY: monitoring-setup monitoring-status monitoring-stop prometheus-start
.PHONY: grafana-setup jaeger-start alertmanager-config

help:  ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	/^[a-z0-9-]+( [a-z]+)?:.*## / {printf "  %-26s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml
	$(PYTHON) scripts/make_venv.py $(VENV)
	@touch $@

$(VENV)/.benchmarks: $(VENV)/.installed
	$(PYTHON) scripts/make_venv.py $(VENV) bench
	@touch $@

$(VENV)/.security: $(VENV)/.installed
	$(PYTHON) scripts/make_venv.py $(VENV) security
	@touch $@

##@ Everyday (options in ARGS: make demo ARGS="--duration 5")

demo: $(VENV)/.installed  ## run the main job: a shop, its telemetry and the ledger
	$(BIN)/sluiceway demo $(ARGS)

test t: $(VENV)/.installed servers  ## run the whole test suite, real servers included
	$(BIN)/python -m coverage run --source=$(PACKAGES) -m pytest $(ARGS)
	$(BIN)/python -m coverage report

lint l: style type-check  ## style, types and layering

style: $(VENV)/.installed  ## style alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type-check tc: $(VENV)/.installed  ## types, by mypy (strict) and pyright
	$(BIN)/mypy
	$(BIN)/pyright

format: $(VENV)/.installed  ## bring the sources into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

security: $(VENV)/.security  ## audit the code and the dependencies; scripts/security.py
	$(BIN)/python scripts/security.py $(ARGS)

check: lint observability-config-check  ## lint, types and the configuration: the quick one

validate v: lint security test observability-validate  ## all of it, before a release

bench: $(VENV)/.benchmarks  ## run the benchmarks in their short form
	$(BIN)/python -m benchmarks --short $(ARGS)

nox: $(VENV)/.installed  ## run the suite on every Python that is here
	$(BIN)/nox

##@ Set-up

install-dev: $(VENV)/.installed $(VENV)/.security  ## make the environment that all others use

setup: install-dev servers observability-config-check  ## the same, the servers and a check

servers:  ## fetch the real servers and the browser of the tests (Debian only)
	$(PYTHON) scripts/fetch_servers.py $(VENV)/servers

clean:  ## remove what make built
	rm -rf $(VENV) .nox build dist

##@ Tests of flext_observability

test-fast: $(VENV)/.installed  ## all tests of all packages, without coverage
	$(PYTEST) $(ARGS)

test-unit: $(VENV)/.installed  ## each operation and its FlextResult
	$(PYTEST) $(FLEXT)/unit $(ARGS)

test-integration: $(VENV)/.installed servers  ## with real servers and OpenTelemetry
	$(WITH_SERVERS) $(PYTEST) $(FLEXT)/integration $(ARGS)

test-observability: $(VENV)/.installed servers  ## all of them, 90 % of all branches covered
	$(PYTEST) $(FLEXT) --cov=src/flext_observability --cov-fail-under=90 $(ARGS)

test-monitoring: $(VENV)/.installed servers  ## the monitoring stack and what it is asked
	$(WITH_SERVERS) $(PYTEST) $(FLEXT)/integration/test_flext_monitoring_*.py $(ARGS)

test-metrics-e2e: $(VENV)/.installed servers  ## metrics, from a call to Prometheus
	$(WITH_SERVERS) $(PYTEST) $(FLEXT)/*/test_flext_metric*.py $(ARGS)

test-tracing-distributed: $(VENV)/.installed servers  ## traces across services
	$(WITH_SERVERS) $(PYTEST) $(FLEXT)/*/test_flext_trac*.py $(ARGS)

test-alerts-integration: $(VENV)/.installed servers  ## alerts, to a real Alertmanager
	$(WITH_SERVERS) $(PYTEST) $(FLEXT)/*/test_flext_alert*.py $(ARGS)

test-health-monitoring: $(VENV)/.installed servers  ## health checks that really run
	$(WITH_SERVERS) $(PYTEST) $(FLEXT)/*/test_flext_health*.py $(ARGS)

coverage-html: $(VENV)/.installed servers  ## a page that shows what no test reaches
	$(PYTEST) $(FLEXT) --cov=src/flext_observability --cov-report=html:build/coverage $(ARGS)

##@ Observability (ARGS="--config FILE.toml" beside the variables)

observability-config-check: $(VENV)/.installed  ## the configuration: variables and files
	$(OBSERVABILITY) config $(ARGS)

observability-validate: $(VENV)/.installed servers  ## and the stack's files, rules and gates
	$(OBSERVABILITY) config files gates $(ARGS)

observability-test: $(VENV)/.installed servers  ## the whole of it, with real systems
	$(WITH_SERVERS) $(PYTEST) $(FLEXT) -m servers $(ARGS)

metrics-collect: $(VENV)/.installed  ## measure this machine, and send it
	$(OBSERVABILITY) metrics $(ARGS)

traces-start: $(VENV)/.installed  ## make a trace of two services, and send it
	$(OBSERVABILITY) traces $(ARGS)

alerts-configure: $(VENV)/.installed  ## raise, escalate and resolve an alert
	$(OBSERVABILITY) alerts $(ARGS)

health-monitor: $(VENV)/.installed  ## check what is configured, and tell
	$(OBSERVABILITY) health $(ARGS)

##@ Monitoring stack: docker compose, or Debian's programs; examples/monitoring

observability-init: install-dev observability-validate monitoring-setup  ## check it and start it

monitoring-setup: servers  ## start all servers that there are; name the others
	$(MONITORING) start --what-there-is $(ARGS)

prometheus-start: servers  ## Prometheus and the pushgateway
	$(MONITORING) start pushgateway prometheus $(ARGS)

alertmanager-config: $(VENV)/.installed servers  ## check Alertmanager's file, and start it
	$(OBSERVABILITY) files
	$(MONITORING) start alertmanager $(ARGS)

grafana-setup: $(VENV)/.installed servers  ## check the dashboards, and start Grafana
	$(OBSERVABILITY) files
	$(MONITORING) start grafana $(ARGS)

jaeger-start:  ## Jaeger
	$(MONITORING) start jaeger $(ARGS)

monitoring-status:  ## which servers answer
	$(MONITORING) status $(ARGS)

monitoring-stop:  ## end what was started; the data stays
	$(MONITORING) stop $(ARGS)
