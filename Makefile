# make reproduce [PROFILE=quick]   install into .venv and run everything, from raw frames to tables and figures
##                 PROFILE=smoke: every stage in miniature, in about 5 minutes
##                 PROFILE=own_frames (or own_frames_gpu) FRAMES=folder [CLASSES=file]: your own annotated frames
##                 PROFILE=laptop START=shipped: from the weights in data/weights/laptop instead of training them
##                 GRID=paper|full|controls|readings|extended: which trainings of params/<profile>/sweep.yaml to run
##                 FORCE=1: replace results of other parameters, other frames or other code
##                 CORES=2: number of CPU cores (all by default)
##                 GPUS=8: number of GPUs of this computer; one job runs on each at a time
##                 SHARDS=8: number of runs that sample the synthetic pairs together (the number of GPUs by default)
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

## make real-study  FRAMES=folder [CLASSES=file]: test by cross-validation whether synthetic pairs help on your own images
real-study: $(INSTALLED)
	@$(XPCI) study $(OWN) $(FORCED) --cores $(CORES)

## make status      list what is done, running, failed and to do, and estimate the time left; PROFILE and GRID as above
status: $(INSTALLED)
	@$(XPCI) status $(RUN) $(OWN)

## make lab         open the notebooks in JupyterLab; with another PROFILE, copies of them with its parameters
lab: params/$(PROFILE)/sweep.yaml $(INSTALLED)
	@$(XPCI) lab --profile $(PROFILE) $(OPTIONS)

## make report      make tables, figures, index.html and the pages of the notebooks again, from all finished stages
report: $(INSTALLED)
	@$(XPCI) report --profile $(PROFILE)

## make collect     copy the small results of a finished PROFILE=laptop into figures/laptop, and draw them; PROFILE=study
##                  adds them to those of earlier sittings
## make contrasts   print the rows of a finished PROFILE=laptop that validation frames choose; these are then tested
## make figures     make every table and figure in figures/laptop again from its results; nothing is trained
## make ship        write the denoiser and the labellers of a finished PROFILE=laptop into data/weights/laptop, for
##                  START=shipped
collect contrasts figures ship verify: PROFILE = laptop
collect contrasts figures ship: $(INSTALLED)
	@$(XPCI) $@ --profile $(PROFILE)

## make verify      check what is committed: digests, tables, figures, and two trainings again (at most 15 minutes on 2
##                  idle cores); with OPTIONS=--without-training a minute
verify: $(INSTALLED)
	@$(XPCI) verify --profile $(PROFILE) $(OPTIONS)

## make import      IMAGES=film MASKS=annotations FRAMES=new_folder [CLASSES=file] [OPTIONS="--pixel-um 2.0 ..."]: make a
##                  folder of your own frames from files of other programs (data/README.md); afterwards
##                  '.venv/bin/xpci check FOLDER' checks it, '.venv/bin/xpci video FILM' applies a trained network
import: $(INSTALLED)
	@$(XPCI) import $(if $(CLASSES),--classes "$(CLASSES)") $(OPTIONS) -- "$(IMAGES)" "$(MASKS)" "$(FRAMES)"

## make params      write params/<profile>/*.yaml and the notebooks' parameter cells from models and params/<profile>.yaml
params: $(INSTALLED)
	@$(XPCI) params

## make pages       write the executed notebooks of runs/quick as Markdown with pictures into docs/notebooks
pages: $(INSTALLED)
	@$(XPCI) pages

## make notebooks   remove the outputs of the notebooks; cells tagged keep_output take their text from runs/quick
notebooks: $(INSTALLED)
	@$(XPCI) strip --from runs/quick

## make lint        check style, formatting and types of package, tests and notebooks
lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(XPCI) params --check

## make same-results   state that changed code gives the same results, and record its digests (CONTRIBUTING.md)
same-results: $(INSTALLED)
	@$(BIN)/python scripts/code_digests.py --same-results
	@$(BIN)/python scripts/imports.py

## make test        run lint, the unit tests and the quick grid, and compare every notebook with it
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $(CORES) --dist worksteal tests --ignore tests/system --ignore tests/quick
	$(MAKE) reproduce PROFILE=quick FORCE=1
	$(BIN)/pytest -q -n $(CORES) --dist loadfile --nbval --nbval-current-env notebooks
	$(BIN)/pytest -q -s tests/quick

## make test-system interrupt, break and resume the smoke grid; open its notebooks and report in a browser
test-system: $(INSTALLED)
	$(BIN)/pytest -q -n $(CORES) --dist loadfile tests/system

## make rehearse    PROFILE=paper: run notebooks 01 to 06 with every count reduced to one, and write the cost table
##                  PROFILE=own_frames_gpu FRAMES=folder: the same on a few of your own frames
rehearse: params/$(PROFILE)/sweep.yaml $(INSTALLED)
	$(XPCI) rehearse --profile $(PROFILE) $(OWN) --threads $(CORES)

## make dry-run     PROFILE=paper: list every job with its predicted GPU hours, memory and disk; nothing is trained
##                  PROFILE=own_frames_gpu FRAMES=folder: predicted from the number and size of your own frames
##                  PROFILE=study: core-minutes of what is still to do, by recorded times
##                  COMPARE=paper_fast: beside another profile; RATES=file: rates that benchmarks/bench_gpu.py measured
dry-run: params/$(PROFILE)/sweep.yaml $(INSTALLED)
	@$(XPCI) dry-run $(RUN) $(OWN) $(if $(COMPARE),--compare $(COMPARE)) $(if $(RATES),--rates $(RATES))

## make weights     pre-train the small SAMs of data/weights again, both at once (an hour and a quarter on 2 cores)
weights: $(INSTALLED)
	@$(MAKE) -j2 weights-vit_b weights-vit_t

# A pattern, so never in .PHONY: make looks for no pattern behind a phony name.
weights-%: $(INSTALLED)
	@$(XPCI) run A1_pretrain_small_sam -f params/weights/A1_pretrain_small_sam.yaml \
	  -p variant $* --folder runs/weights/$* $(if $(FORCE),-p force true)
	@mkdir -p data/weights/$* && cd runs/weights/$* && cp $(SMALL_SAM) ../../../data/weights/$*

## make benchmark   measure times, as ratios within one process
benchmark: $(INSTALLED)
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

## make clean       remove runs/ with all results, and the cache of Snakemake (asks first); .venv stays
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
