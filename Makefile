# Two commands do all the set-up: `make book` and `make test`. Every target calls one tool.

EDITION ?= demo
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3))
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install book test lint types notebooks bench rivals clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile

install: $(STAMP) ## make .venv with the pinned versions

$(BIN)/python:
	$(PYTHON) -m venv .venv

$(STAMP): pyproject.toml requirements.lock | $(BIN)/python
	@echo "installing the pinned versions into .venv (a few minutes, once)"
	$(BIN)/python -m pip install --disable-pip-version-check -q -c requirements.lock -e ".[book,test,workflow]"
	@touch $@

book: $(STAMP) ## run the notebooks of EDITION (demo) that changed, build the book, say where it is
	$(BIN)/aligned book --edition $(EDITION)

test: lint types ## everything CI checks: style, types, unit, property, notebook and book tests
	$(BIN)/aligned book --edition demo
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope --nbval-lax --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg

lint: $(STAMP) ## ruff: rules and formatting
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(STAMP) ## mypy over the packages
	$(BIN)/mypy aligned companion

notebooks: $(STAMP) ## run the demo edition and write the committed .ipynb pairs
	$(BIN)/aligned notebooks

bench: $(STAMP) ## measure speed and memory on an idle machine, write results/benchmarks
	$(BIN)/python -m benchmarks

RIVALS := .venv-rivals/bin/python

.venv-rivals/.installed: workflow/rivals/requirements.lock
	$(PYTHON) -m venv .venv-rivals
	$(RIVALS) -m pip install --disable-pip-version-check -q -r workflow/rivals/requirements.lock
	@touch $@

rivals: $(STAMP) .venv-rivals/.installed ## train GEARS and State on our folds (an environment of their own), write results/*/rivals
	set -e; for data in demo norman; do \
	  $(BIN)/python workflow/rivals/prepare.py $$data build/rivals/$$data; \
	  $(RIVALS) workflow/rivals/train_gears.py build/rivals/$$data; \
	  $(RIVALS) workflow/rivals/train_state.py build/rivals/$$data; \
	  $(BIN)/python workflow/rivals/compare.py build/rivals/$$data results/$$data/rivals; \
	done
	$(RIVALS) workflow/rivals/check_metrics.py build/rivals/norman results/norman/rivals

clean: ## remove what was built, keep .venv
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
