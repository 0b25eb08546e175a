# make reproduce [PROFILE=quick]   install into .venv and run everything, from raw frames to tables and figures
##                 GRID=paper|full|controls|extended: which runs of the profile's sweep.yaml
##                 PROFILE=laptop START=shipped: from the weights in data/weights/laptop instead of training them
##                 FRAMES=folder [CLASSES=file] PROFILE=own_frames (or own_frames_gpu): your own frames;
##                 FORCE=1: replace stale results
##                 SHARDS=8: number of runs that sample the synthetic pairs together
##                 GPUS=8: number of GPUs of this computer: one job on each at a time; SHARDS is the same number by default
PROFILE ?= quick
ifdef START
override PROFILE := $(PROFILE)_$(START)
endif
GRID ?= paper
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
BIN := .venv/bin
XPCI := $(BIN)/xpci
RUN = --profile $(PROFILE) --grid $(GRID)
OWN = $(if $(FRAMES),--frames "$(FRAMES)") $(if $(CLASSES),--classes "$(CLASSES)")
FORCED = $(if $(FORCE),--force)
SMALL_SAM := sam.safetensors sam.sha256 history.jsonl metrics.json run.json
INSTALLED := .venv/.installed

.PHONY: reproduce real-study status test test-system lab import report collect contrasts figures verify params pages notebooks same-results rehearse dry-run weights ship benchmark lint clean help

help:
	@sed -n 's/^# make /make /p; s/^## /  /p' Makefile

reproduce: params/$(PROFILE)/sweep.yaml $(INSTALLED)
	@$(XPCI) reproduce $(RUN) $(OWN) $(FORCED) --cores $(CORES) $(if $(SHARDS),--shards $(SHARDS)) $(if $(GPUS),--gpus $(GPUS))

## make real-study  FRAMES=folder [CLASSES=file]: cross-validation: do synthetic pairs help on your own images?
real-study: $(INSTALLED)
	@$(XPCI) study $(OWN) $(FORCED) --cores $(CORES)

## make status      done, running, failed and to do, with an estimate of the time left
status: $(INSTALLED)
	@$(XPCI) status $(RUN) $(OWN)

## make lab         JupyterLab on the notebooks, for another PROFILE on copies with its parameters
lab: params/$(PROFILE)/sweep.yaml $(INSTALLED)
	@$(XPCI) lab --profile $(PROFILE) $(OPTIONS)

## make report      tables, figures, index.html and the executed notebooks as pages again, from all finished stages
report: $(INSTALLED)
	@$(XPCI) report --profile $(PROFILE)

## make collect     keep the results of PROFILE=laptop, few enough to be committed, in figures/laptop, and draw them
## make contrasts   rows of a finished PROFILE=laptop that are chosen on validation frames, to be tested
## make figures     figures/laptop again from figures/laptop/results: every table and figure, nothing is trained
## make ship        the denoiser and adapters of a finished PROFILE=laptop into data/weights/laptop, for START=shipped
collect contrasts figures ship: PROFILE = laptop
collect contrasts figures ship: $(INSTALLED)
	@$(XPCI) $@ --profile $(PROFILE)

## make verify      check what is committed: digests, tables, figures, and two trainings again (15 minutes of 2 cores at
##                  most); OPTIONS=--without-training: a minute
verify: $(INSTALLED)
	@$(XPCI) verify $(OPTIONS)

## make import      IMAGES=film MASKS=annotations FRAMES=folder [CLASSES=file] [OPTIONS="--flats flats.tif ..."]: a folder of
##                  your own frames from other programs' files (data/README.md)
import: $(INSTALLED)
	@$(XPCI) import $(if $(CLASSES),--classes "$(CLASSES)") $(OPTIONS) -- "$(IMAGES)" "$(MASKS)" "$(FRAMES)"

## make params      write params/<profile>/*.yaml and the notebooks' parameter cells from models and params/<profile>.yaml
params: $(INSTALLED)
	@$(XPCI) params

## make pages       the executed notebooks of runs/quick as Markdown with pictures, in docs/notebooks
pages: $(INSTALLED)
	@$(XPCI) pages

## make notebooks   strip the notebooks; cells tagged keep_output take their text from runs/quick
notebooks: $(INSTALLED)
	@$(XPCI) strip --from runs/quick

## make lint        style, formatting and types of package, tests and notebooks
lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(XPCI) params --check

## make same-results   declare that changed code gives the same results: record its digests (CONTRIBUTING.md)
same-results: $(INSTALLED)
	@$(BIN)/python scripts/code_digests.py --same-results
	@$(BIN)/python scripts/imports.py

## make test        lint, unit tests, the quick grid, and every notebook against it
test: lint
	$(BIN)/pytest -q tests --ignore tests/system --ignore tests/quick
	$(MAKE) reproduce PROFILE=quick FORCE=1
	$(BIN)/pytest -q --nbval --nbval-current-env -x notebooks
	$(BIN)/pytest -q -s tests/quick

## make test-system kills, failures and resumes on the smoke grid, and a browser with its notebooks and report
test-system: $(INSTALLED)
	$(BIN)/pytest -q -s tests/system

## make rehearse    every notebook with the parameters of PROFILE=paper, every count reduced to one; writes its cost table
##                  PROFILE=own_frames_gpu FRAMES=folder: on a few of your own frames
rehearse: params/$(PROFILE)/sweep.yaml $(INSTALLED)
	$(XPCI) rehearse --profile $(PROFILE) $(OWN) --threads $(CORES)

## make dry-run     every job of PROFILE and GRID with the GPU hours, memory and disk its cost table predicts;
##                  FRAMES=folder PROFILE=own_frames_gpu: from the number and size of your own frames
##                  COMPARE=paper_fast: beside another profile; RATES=file: as benchmarks/bench_gpu.py measured
dry-run: params/$(PROFILE)/sweep.yaml $(INSTALLED)
	@$(XPCI) dry-run $(RUN) $(OWN) $(if $(COMPARE),--compare $(COMPARE)) $(if $(RATES),--rates $(RATES))

## make weights     pre-train the small SAMs of data/weights again, side by side (an hour and a quarter of 2 cores)
weights: $(INSTALLED)
	@$(MAKE) -j2 weights-vit_b weights-vit_t

# A pattern, so never in .PHONY: make looks for no pattern behind a phony name.
weights-%: $(INSTALLED)
	@$(XPCI) run A1_pretrain_small_sam -f params/weights/A1_pretrain_small_sam.yaml \
	  -p variant $* --folder runs/weights/$* $(if $(FORCE),-p force true)
	@mkdir -p data/weights/$* && cd runs/weights/$* && cp $(SMALL_SAM) ../../../data/weights/$*

## make benchmark   timings, as ratios measured in one process
benchmark: $(INSTALLED)
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

## make clean       remove the runs and caches (asks first); .venv stays
clean:
	@printf 'Remove runs/ and every result in it? [y/N] '; read answer; [ "$$answer" = y ] && rm -rf runs .snakemake || true

$(INSTALLED): requirements.lock pyproject.toml
	@echo "Installing about 6.3 GB of packages into .venv (a few minutes)"
	@test -d .venv || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

params/$(PROFILE)/sweep.yaml:
	@echo "error: there is no profile '$(PROFILE)'; profiles are: $(notdir $(patsubst %/sweep.yaml,%,$(wildcard params/*/sweep.yaml)))" >&2; exit 2
