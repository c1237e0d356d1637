# The commands of the project: `make help`. Needs Python 3.13, make and a package index, nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

OUT ?= build/demo
SCENARIO ?= local/scenarios/default.json
PORT ?= 0
WORKERS ?= 2

python := .venv/bin/python
environments := .venv/bin/holdfast .venvs/sam/.stamp .venvs/emulator/.stamp
tools := .venvs/checkov/.stamp .venvs/vendor/.stamp .venvs/aws/.stamp

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- use -----------------------------------------------------------------------------------------------
.PHONY: demo up down install genesys
demo: $(environments) ## the whole system, once: [SCENARIO=local/scenarios/default.json] [OUT=build/demo]
	@exec $(python) -m local.demo --scenario "$(SCENARIO)" --out "$(OUT)"

up: $(environments) ## start the embedded world and leave it running: [SCENARIO=...]
	@exec $(python) -m local.world up --scenario "$(SCENARIO)"

down: $(environments) ## end what `make up` started
	@exec $(python) -m local.world down

install: .venv/bin/holdfast ## the command line alone, as .venv/bin/holdfast

genesys: .venv/.stamp ## the Genesys simulator alone, on loopback: [PORT=...] [SCENARIO=...]
	@exec $(python) -m local.genesys --port "$(PORT)" --scenario "$(SCENARIO)"

# --- check -----------------------------------------------------------------------------------------------
.PHONY: check test
check: $(environments) $(tools) ## all gates, as the CI runs them before the tests: [GATE=types]
	@$(python) -m local.check $(GATE)

.PHONY: mutants
mutants: $(environments) $(tools) ## plant every defect that a gate must find in a copy, and see it found: [GATE=logs]
	@$(python) -m tests.mutants $(GATE)

test: $(environments) .venvs/vendor/.stamp .venvs/aws/.stamp | browser ## every test: [WORKERS=2] [ARGS=...]; rules and steps must be covered by their unit tests alone
	@mkdir -p build
	$(python) -m pytest --numprocesses=$(WORKERS) --dist=loadscope --no-loadscope-reorder --cov --cov-report= $(ARGS)
	@if test -d layers/holdfast/holdfast/domain && test -z "$(ARGS)"; then \
		$(python) -m coverage report --fail-under=100; fi

# The report is tried in a real browser. Where none can be had, those tests are skipped and say so.
browsers := chromium chromium-browser google-chrome google-chrome-stable chrome
.PHONY: browser
browser:
	@for name in $(browsers); do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing chromium"; \
		{ apt-get update && apt-get install --yes --no-install-recommends chromium; } >/dev/null 2>&1 && exit 0; \
	fi; \
	echo "No browser: install one of $(browsers) to have the report tried in it"

.PHONY: bench
bench: .venv/.stamp ## what large matters take in memory and time; it judges nothing
	PYTHONPATH=layers/holdfast $(python) -m tests.performance.large_matter
	PYTHONPATH=layers/holdfast $(python) -m tests.performance.large_log
	PYTHONPATH=layers/holdfast $(python) -m tests.performance.report_page

.PHONY: tamper
COUNT ?= 10000
tamper: .venv/.stamp ## change a custody package in ten thousand ways, and have the verifier find each: [COUNT=...]
	PYTHONPATH=layers/holdfast $(python) -m tests.tampering "$(COUNT)"

# --- environments ----------------------------------------------------------------------------------------
# One each, since these tools pin versions that do not fit together. A stamp file makes the second run instant.
# Trust what the machine trusts: uv's own list knows no company proxy.
export UV_SYSTEM_CERTS ?= 1
python313 = $(firstword $(foreach p,python3.13 python3 python,$(shell \
	$(p) -c 'import sys; sys.version_info[:2] == (3, 13) and print(sys.executable)' 2>/dev/null)))
no_python := Python 3.13 is needed and neither python3.13, python3 nor python is one. Install it (python.org, \
	pyenv install 3.13, apt install python3.13 python3.13-venv, brew install python@3.13) and run make again

# $(call install,requirements,folder): with uv where it can be had, since it is ten times faster; otherwise with pip.
define install
	@$(if $(python313),,$(error $(no_python)))echo "Installing $(2)"
	@rm -rf "$(2)"
	@uv=$$(command -v uv || echo .venvs/.uv/bin/uv); \
	test -x "$$uv" || { "$(python313)" -m venv .venvs/.uv && .venvs/.uv/bin/python -m pip install --quiet uv; } >/dev/null 2>&1; \
	{ test -x "$$uv" && "$$uv" venv --quiet --python "$(python313)" "$(2)" \
		&& "$$uv" pip install --quiet --compile-bytecode --require-hashes --python "$(2)" -r "$(1)"; } \
	|| { rm -rf "$(2)" && "$(python313)" -m venv "$(2)" \
		&& "$(2)/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$(1)"; }
	@touch "$(2)/.stamp"
endef

.venv/.stamp: requirements/dev.txt
	$(call install,$<,.venv)

.venv/bin/holdfast: cli/launcher.sh .venv/.stamp
	@install -m 755 $< $@

.venvs/%/.stamp: requirements/%.txt
	$(call install,$<,.venvs/$*)

.PHONY: lock clean
lock: ## resolve the requirements anew, to the newest versions that pyproject.toml allows
	@uv=$$(command -v uv || echo .venvs/.uv/bin/uv); \
	compile="$$uv pip compile --quiet --universal --upgrade --python-version 3.13 --generate-hashes"; \
	set -ex; \
	$$compile --custom-compile-command 'make lock' pyproject.toml -o layers/dependencies/requirements.txt; \
	$$compile --custom-compile-command 'make lock' pyproject.toml --group dev -o requirements/dev.txt; \
	for group in sam emulator checkov vendor aws; do \
		$$compile --custom-compile-command 'make lock' --group $$group -o requirements/$$group.txt; done

clean: ## remove everything that was built, installed or cached
	rm -rf build .aws-sam .venv .venvs .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
