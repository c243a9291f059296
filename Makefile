# cathlink: `make demo` and `make test` do all the set-up that they need on a fresh Debian 12 machine.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
APT_PACKAGES := python3-venv python3-dev gcc pkg-config libsystemd-dev libsdl2-2.0-0 libopus0 libportaudio2 libasound2-plugins mosquitto
APT_TEST_PACKAGES := mosquitto-clients chromium xvfb xdotool tshark systemd fonts-dejavu-core pulseaudio pulseaudio-utils espeak-ng
APT_BENCH_PACKAGES := ffmpeg
APT_APPLIANCE_PACKAGES := qemu-system-x86 mmdebstrap systemd-container iproute2
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PREFIX := /opt/cathlink
CLIP ?=
PHANTOM ?= ../shared

.PHONY: help setup setup-test demo test test-slow test-appliance bench bench-pictures lock install clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## system packages, .venv with locked versions, compiled kernels

demo: setup ## sender, receiver and a page with the live picture on this machine [CLIP=path]
	@$(BIN)/cathlink demo $(if $(CLIP),--clip "$(CLIP)")

test: setup-test ## all fast tests, linters and types among them
	@$(BIN)/python -m pytest -m "not slow"

test-slow: setup-test ## the suites that take minutes
	@$(BIN)/python -m pytest -m slow

test-appliance: $(VENV)/.ready-appliance ## as root: a virtual camera and USB serial in a QEMU guest, the unit under systemd; 5 minutes, at first 15
	@$(BIN)/python -m pytest -v tests/appliance/test_*.py

bench: setup ## latency, CPU and memory of the corridor
	@$(BIN)/cathlink bench

bench-pictures: $(VENV)/.ready-bench ## what is done to pictures, table by table [PHANTOM=folder of the phantom] [ONLY=table]
	@PHANTOM="$(PHANTOM)" $(BIN)/python -m tests.bench.pictures $(if $(ONLY),--only $(ONLY))

setup-test: $(VENV)/.ready-test

$(VENV)/.apt:
	@mkdir -p $(VENV)
	@echo "[1/3] system packages: $(APT_PACKAGES)"
	@dpkg -s $(APT_PACKAGES) >/dev/null 2>&1 || ( $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(APT_PACKAGES) >/dev/null )
	@touch $@

$(VENV)/.ready: $(VENV)/.apt requirements.lock pyproject.toml
	@echo "[2/3] Python packages into $(VENV), versions from requirements.lock"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "cathlink needs Python 3.11 or newer: make PYTHON=python3.11 ..."; exit 1; }
	@$(BIN)/pip install -q --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@echo "[3/3] compiling kernels for this processor"
	@$(BIN)/python -m daemon.warm
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	@echo "system packages for the tests: $(APT_TEST_PACKAGES)"
	@dpkg -s $(APT_TEST_PACKAGES) >/dev/null 2>&1 || ( $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(APT_TEST_PACKAGES) >/dev/null )
	@touch $@

$(VENV)/.ready-appliance: $(VENV)/.ready
	@echo "system packages for the machines that tests boot: $(APT_APPLIANCE_PACKAGES)"
	@dpkg -s $(APT_APPLIANCE_PACKAGES) >/dev/null 2>&1 || ( $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(APT_APPLIANCE_PACKAGES) >/dev/null )
	@touch $@

$(VENV)/.ready-bench: $(VENV)/.ready requirements-bench.lock
	@echo "packages of the bench and its phantom: $(APT_BENCH_PACKAGES), requirements-bench.lock"
	@dpkg -s $(APT_BENCH_PACKAGES) >/dev/null 2>&1 || ( $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(APT_BENCH_PACKAGES) >/dev/null )
	@$(BIN)/pip install -q --disable-pip-version-check -r requirements-bench.lock
	@touch $@

lock: setup ## write requirements.lock from what pyproject.toml asks for
	@$(BIN)/pip uninstall -q -y -r requirements-bench.lock
	@$(BIN)/pip install -q --upgrade -e '.[dev]'
	@$(BIN)/pip freeze --exclude-editable | grep -v '^cathlink' > requirements.lock
	@$(BIN)/pip install -q --upgrade -e '.[dev,bench]'
	@$(BIN)/pip freeze --exclude-editable | grep -v '^cathlink' | grep -vxFf requirements.lock > requirements-bench.lock

install: ## on a Debian 12 box, as root: user, /opt/cathlink, /etc/cathlink, systemd unit
	@PREFIX=$(PREFIX) bash deploy/install.sh

clean: ## remove what make made here
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
