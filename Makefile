# `make` alone lists the targets. Nothing is installed outside .venv, save by `install`, and by `packages` as root on Debian.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# What the tests need that pip does not bring. tests/machine.py names the programs; a test holds the two lists together.
PACKAGES := chromium dpkg e2fsprogs faketime ffmpeg fuse3 git inotify-tools mmdebstrap nginx openssl prometheus python3 shellcheck strace systemd util-linux xfsprogs xvfb

# Every branch of these is run by tests/core alone. A test holds this list to the floors in ARCHITECTURE.md.
VALUES := analysis brake checklist config forms hotset hours invariants livewindow names playlist pressure prognosis timeline

# Where `install` puts the command, and the python3 that runs what it installs: not the one of .venv, which is a clone's.
BINDIR ?= /usr/local/bin
DESTDIR ?=
install deb: export HOTCOLD_PYTHON ?= /usr/bin/python3
install deb: export HOTCOLD_PIP := $(BIN)/python

# Three processes of pytest run side by side, as each waits more than it works: these, those, and the rest, which take
# about as long. tests/sharing.py keeps apart what must not meet.
BESIDE_1 := tests/deploy tests/operate tests/faults
BESIDE_2 := tests/page tests/web tests/disk tests/live/test_zones.py tests/live/test_jumps.py tests/live/test_turns.py

# The machine's own Python settings have no say in what is run and tested here.
unexport PYTHONPATH PYTHONHOME PYTEST_ADDOPTS

# pip reads these itself, and hands them on where it builds: versions are pinned for the build too (older and newer pip).
export PIP_CONSTRAINT := .ci/constraints.txt
export PIP_BUILD_CONSTRAINT := $(PIP_CONSTRAINT)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.PHONY: help run test torture bench acceptance lint format packages install uninstall deb clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/installed ## the whole job on generated video, in the foreground, with a live table
	@exec $(BIN)/hotcold demo

test: packages lint ## everything that CI checks
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest tests/core
	$(BIN)/coverage report --fail-under=100 --include="$$(printf 'hotcold_inotify/%s,' $(VALUES:=.py) $(VALUES:=/*))"
	@logs=$$(mktemp --directory); trap 'kill $$(jobs -p) 2> /dev/null || :; rm -rf "$$logs"' EXIT; \
	$(BIN)/python -m pytest $(BESIDE_1) > "$$logs/1" 2>&1 & one=$$!; \
	$(BIN)/python -m pytest $(BESIDE_2) > "$$logs/2" 2>&1 & two=$$!; \
	status=0; \
	$(BIN)/python -m pytest --ignore=tests/core $(patsubst %,--ignore=%,$(BESIDE_1) $(BESIDE_2)) || status=$$?; \
	wait $$one || status=$$?; cat "$$logs/1"; \
	wait $$two || status=$$?; cat "$$logs/2"; \
	exit $$status

lint: $(VENV)/installed-for-tests ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/installed-for-tests ## lay the code out, and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

packages: ## as root on Debian: install the programs that the tests need (test does this itself)
	@if [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then exit 0; fi; \
	missing=(); \
	for package in $(PACKAGES); do \
	    [ "$$(dpkg-query --show --showformat='$${db:Status-Status}' "$$package" 2> /dev/null)" = installed ] \
	        || missing+=("$$package"); \
	done; \
	if [ "$${#missing[@]}" = 0 ]; then exit 0; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	{ apt-get -qq update && apt-get -qq install --yes --no-install-recommends "$${missing[@]}"; } \
	    || echo "not installed: $${missing[*]} (each test that needs one says so)" >&2

torture: packages $(VENV)/installed-for-tests ## kills, power cuts, floods, a day of troubles: in full (two to three hours; as root)
	HOTCOLD_KILLS=10000 HOTCOLD_CUTS=200 HOTCOLD_TURNS=30 HOTCOLD_STORIES=500 HOTCOLD_BACKLOG=1000000 HOTCOLD_FLOOD=3 \
	    $(BIN)/python -m pytest -s tests/faults tests/live/test_backlog.py tests/live/test_floods.py

bench: $(VENV)/installed-for-bench ## what it costs, beside its alternatives and beside mixed folders (15 minutes)
	$(BIN)/python -m benchmarks

acceptance: packages $(VENV)/installed-for-tests ## a host of its own, held against the checklist: build/acceptance (a minute)
	$(BIN)/python -m tests.acceptance build/acceptance

install: $(VENV)/installed ## as root: the services, for systemd; below DESTDIR where that is set
	deploy/install.sh stage build/install "$(BINDIR)"
	deploy/install.sh install build/install "$(DESTDIR)"

uninstall: ## as root: take them away; configuration and recordings stay
	deploy/install.sh uninstall "$(DESTDIR)" "$(BINDIR)"

deb: $(VENV)/installed ## the same as a Debian package, in dist
	deploy/install.sh stage build/deb /usr/bin
	deploy/debian/build.sh build/deb dist

clean: ## remove everything that make has made
	rm -rf hotcold_inotify/web/ui/dist hotcold_inotify/web/ui/node_modules
	rm -rf $(VENV) .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -path ./.git -prune -o -name __pycache__ -type d -exec rm -rf {} +

# Made anew, from nothing, when a dependency or a version has changed.
$(VENV)/installed: pyproject.toml .ci/constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP_INSTALL) --editable .
	touch $@

$(VENV)/installed-for-tests: $(VENV)/installed
	$(PIP_INSTALL) --editable '.[test]'
	touch $@

$(VENV)/installed-for-bench: $(VENV)/installed
	$(PIP_INSTALL) --editable '.[bench]'
	touch $@
