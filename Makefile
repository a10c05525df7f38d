# Everything a developer runs. `make` alone lists it; every target installs what it needs first.
SHELL := /bin/bash
VENV_PYTHON := .venv/bin/python
VERSION := $(shell sed -n 's/^version=//p' metadata.txt)
ARCHIVE := dist/soilmoisture-$(VERSION).zip
SOURCES := $(wildcard core algorithms *.py)

export QT_QPA_PLATFORM ?= offscreen
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help setup test demo bench lint package install clean distclean

help: ## List the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1|\2/p' Makefile | awk -F'|' '{printf "  %-16s %s\n", $$1, $$2}'

setup: .venv/.ready ## Install what is missing: QGIS (by apt, as root or with sudo) and .venv

.venv/.ready: requirements.txt requirements-dev.txt scripts/setup.sh
	@./scripts/setup.sh

test: setup ## Run the tests; ARGS='-k forest' picks some
	$(VENV_PYTHON) -m pytest $(ARGS)

demo: setup ## Downscale a small region from start to finish and write a map and a report
	$(VENV_PYTHON) scripts/demo.py $(ARGS)

bench: setup ## Measure time and memory, about an hour; ARGS=--quick takes some minutes
	$(VENV_PYTHON) benchmarks/run.py --json benchmarks/speed.json $(ARGS)

lint: setup ## Check style, layers (core never imports qgis), types and unsafe calls
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m mypy core
	$(VENV_PYTHON) -m bandit -q -ll -c pyproject.toml -r $(SOURCES)

package: ## Make the zip that QGIS installs, from the last commit
	@mkdir -p dist
	git archive --format=zip --prefix=soilmoisture/ --output="$(ARCHIVE)" HEAD
	@git diff --quiet HEAD || echo "Note: changes that are not committed are not in it."
	@echo "$(ARCHIVE): $$(du -k "$(ARCHIVE)" | cut -f1) kB. QGIS: Plugins > Manage and Install Plugins > Install from ZIP."

install: ## Link this checkout into your QGIS profile (QGIS_PROFILE=name for another than default)
	@./scripts/install.sh

clean: ## Remove caches and packages
	rm -rf dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .qgis-settings
	find . -name .venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## Remove .venv as well
	rm -rf .venv
