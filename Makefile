# Every command of the project. `make` alone lists them; the lines after ## are that list.
SHELL := /bin/bash -euo pipefail
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

PYTHON ?= python3
PROFILE ?= quick
JOBS ?= 2
ENGINE ?= local
PORT ?= 8000
EDITION ?=
FUZZ ?= 60

# What somebody names may have a blank or a quote in it: one word of the shell, whatever it holds.
quoted = '$(subst ','\'',$(1))'
BOOK = build/"$$(basename -- $(call quoted,$(PROFILE)) .yaml)"/book

VENV := .venv
READY := $(VENV)/.set-up
READER := .venv-read

# Show the pages in folder $(1) with the Python of environment $(2).
define SHOW
@echo 'The book is at http://127.0.0.1:$(PORT)/ (Ctrl-C ends it)'
@$(2)/bin/python -m http.server $(call quoted,$(PORT)) --bind 127.0.0.1 --directory $(1) >/dev/null
endef

# One run at a time. The lock dies with the processes that hold it, so a killed run locks nobody out.
define RUN
@mkdir -p build
@flock --nonblock --conflict-exit-code 75 build/.lock $(VENV)/bin/snakemake --snakefile workflow/Snakefile \
  --profile workflow/profiles/$(call quoted,$(ENGINE)) --config profile=$(call quoted,$(PROFILE)) \
  $(if $(filter local,$(ENGINE)),--cores,--jobs) $(call quoted,$(JOBS)) -- $@ || \
  { code=$$?; [ $$code -ne 75 ] || echo 'Another run is at work in build/: wait for it, or end it' >&2; exit $$code; }
endef

.PHONY: help read read-book read-pdf read-epub setup lock study book pdf epub publish test bench fuzz serve clean

help:  ## list these commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1\t\2/p' Makefile | expand -t 18

read: read-book  ## the published book, nothing computed: PORT=8000, EDITION=the largest
	$(call SHOW,build/read/html,$(READER))

read-book: $(READER)/.set-up  ## the same, bound in build/read/html and not served
	@$(READER)/bin/python -m fusqa.publishing read --edition $(call quoted,$(EDITION))

read-pdf: read-book  ## the published book in one PDF file, and the handout in another, printed by Chromium
	$(READER)/bin/python -m fusqa.publishing print build/read

read-epub: read-book  ## the published book in one file for readers of electronic books
	$(READER)/bin/python -m fusqa.publishing epub build/read

setup: $(READY)  ## the environment alone, in .venv: every version locked by hash

# Debian keeps a part of Python's venv in a package of its own; root may add it.
VENV_BY_APT = { [ "$$(id -u)" -eq 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv; }

# The stamp is written last and removed first: an environment without one is half made, and is made anew.
# The uv that does the work comes from PATH, or else from pip, at the version and with the hashes of the lock.
# .venv is what the study runs in, .venv-read what the published book is bound with: each has its own lock.
$(READY): requirements.lock pyproject.toml
$(READER)/.set-up: requirements-read.lock pyproject.toml
$(READY): AIM = setup
$(READER)/.set-up: AIM = read
$(READY) $(READER)/.set-up:
	@python=$$($(call quoted,$(PYTHON)) -c 'import sys; print(sys.executable)') || \
	  { echo $(call quoted,$(PYTHON)) 'does not run; name another one: make $(AIM) PYTHON=/path/to/python3' >&2; exit 1; }; \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed and $$("$$python" -V) was found;" \
	         'name another one: make $(AIM) PYTHON=/path/to/python3.13' >&2; exit 1; }; \
	if [ -e $@ ]; then rm $@; else rm -rf $(@D); fi; \
	export UV_PYTHON_DOWNLOADS=never; \
	if uv=$$(command -v uv); then \
	  [ -d $(@D) ] || "$$uv" venv --quiet --python "$$python" $(@D); \
	else \
	  uv=$(@D)/bin/uv; \
	  "$$python" -c 'import ensurepip' 2>/dev/null || $(VENV_BY_APT) || \
	    { echo "$$python cannot make an environment; on Debian: apt-get install python3-venv" >&2; exit 1; }; \
	  [ -d $(@D) ] || "$$python" -m venv $(@D); \
	  sed -n '/^uv==/,/[^\\]$$/p' $< > $(@D)/uv.txt; \
	  [ -x "$$uv" ] || $(@D)/bin/python -m pip install --quiet --require-hashes --requirement $(@D)/uv.txt; \
	fi; \
	"$$uv" pip sync --python $(@D)/bin/python --require-hashes --compile-bytecode $<; \
	"$$uv" pip install --quiet --python $(@D)/bin/python --no-deps --no-build-isolation --editable .; \
	touch $@

lock:  ## choose every version anew, within the ranges of pyproject.toml
	uv=$$(command -v uv) || uv=$(VENV)/bin/uv; \
	"$$uv" pip compile --universal --generate-hashes --python-version 3.11 --extra dev --upgrade --quiet \
	  pyproject.toml --output-file requirements.lock --no-header; \
	"$$uv" pip compile --universal --generate-hashes --python-version 3.11 --group read --constraint requirements.lock \
	  --upgrade --quiet --output-file requirements-read.lock --no-header

study: $(READY)  ## run the study: PROFILE=quick|classroom|overnight|paper, JOBS=2 processors, or ENGINE=slurm
	$(RUN)

book: $(READY)  ## run the study where needed and bind the book: PROFILE and JOBS as above
	$(RUN)

pdf: book  ## the book of PROFILE in one PDF file, and the handout in another, printed by Chromium
	$(VENV)/bin/python -m fusqa.publishing print $(BOOK)

epub: book  ## the book of PROFILE in one file for readers of electronic books
	$(VENV)/bin/python -m fusqa.publishing epub $(BOOK)

publish: $(READY)  ## make the study of PROFILE, finished or half-way, the edition in results/ that every book shows
	$(VENV)/bin/python -m fusqa.publishing publish $(call quoted,$(PROFILE))

test: $(READY)  ## the whole test suite
	$(VENV)/bin/python -m pytest --numprocesses 2 --dist worksteal

bench: $(READY)  ## speed beside other ways to the same end, both sides in one run
	$(VENV)/bin/python benchmarks/speed.py
	$(VENV)/bin/python benchmarks/learning.py

fuzz: $(READY)  ## strange bytes for every reader of files, for FUZZ=60 seconds; a finding is written into build/
	@mkdir -p build
	$(VENV)/bin/python tests/cohorts/fuzz_readers.py -max_total_time=$(call quoted,$(FUZZ)) -artifact_prefix=build/

serve: $(READY)  ## show the book of PROFILE on this machine alone: PORT=8000
	@[ -f $(BOOK)/html/index.html ] || \
	  { printf 'no book of %s yet; make it: make book PROFILE=%q\n' $(call quoted,$(PROFILE)) $(call quoted,$(PROFILE)) >&2; exit 1; }
	$(call SHOW,$(BOOK)/html,$(VENV))

clean:  ## remove every study and book in build/; the environment stays
	@[ ! -e build/.lock ] || flock --nonblock build/.lock true || \
	  { echo 'A run is at work in build/: wait for it, or end it' >&2; exit 75; }
	rm -rf build .snakemake
