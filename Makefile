# From an augmentation idea to a Kaggle score. `make help` prints everything that can be typed.
#
# make says what comes before what. Whether a step has something to do, the `plan` says, by what its
# files hold: times, which make would go by, mean nothing after a copy, an archive or a checkout. The
# name of a run follows from its settings and its recipe: an edited recipe is another run, and never
# meets the old one's weights.

# ---- Knobs. Give them behind the target: make train AUGMENT=elastic EPOCHS=20
# Only the command line sets them, never the environment: nothing invisible changes a run.

## one of pipeline/competitions/; practice(-colour): no account
COMPETITION = digit-recognizer
## settings to start from, of pipeline/presets/; empty: the competition's own
PRESET =
## which network; empty: the preset's
MODEL =
## which recipe of pipeline/augment/recipes.py; empty: the preset's
AUGMENT =
## batched, albumentations, or auto: batched where the recipe compiles
AUGMENT_ENGINE =
## seed of weights, order, augmentation and dropout; empty: the preset's (0)
SEED =
## passes over the training images; empty: the preset's
EPOCHS =
## share of images held out: 0.1, 0.2, 0.3, 0.4 or 0.5; empty: the preset's (0.1)
VALID =
## which folds to train: 0, or 0,1,2, or all; or all-data; empty: the preset's (0)
FOLDS =
## another name of FOLDS, as in FOLD=all-data: train on all rows and validate on none
FOLD =
## folds trained at once; empty: one per CPU core or CUDA device
JOBS =
## where to compute: cuda, mps, cpu, or auto for the best there is
DEVICE =
## a Ray cluster whose nodes train: auto, or ray://host:10001; empty: this machine
CLUSTER =
## any other settings, listed by make settings: SET="batch_size=256 dropout=0.3"
SET =
## name of the run; empty: made from the settings
RUN =
## for ensemble: names of the runs to average, as in RUNS="a b c"
RUNS =
## for compare, report: the baseline, a run or several seeds: A="base-s0 base-s1"
A =
## for compare, report: the change, likewise
B =
## for compare: 1 also draws the digits that changed sides
IMAGES =
## for try: seeds of each side, at most, as in SEEDS="0 1 2"; empty: the preset's
SEEDS =
## for try: the run to beat, with its settings and recipe; empty: the preset as it is
BASE =
## for try: which member of an ensemble's PRESET the change is of, as in MEMBER=2
MEMBER =
## for sweep: how many trials, the baseline among them
TRIALS = 20
## for sweep: trials proposed, and by a CLUSTER trained, at once
BATCH = 1
## for data: the zip downloaded in the browser, or a folder with the CSV files
ZIP =
## for data: 1 accepts other numbers of rows than the competition's
ANY_SIZE =
## for submit: words sent along with the submission
MESSAGE =
## for kernel: the session's time limit at Kaggle, 0.2 to 12 hours
HOURS = 1
## for runs: newest, name, preset, network, recipe, seed, folds, accuracy, time, score
SORT =
## for runs and leaderboard: 1 prints CSV instead of a table
CSV =
## 1 does what was refused: replace data, train again, upload again
FORCE =
## for play: where the page is served, http://127.0.0.1:<PORT>/
PORT = 8900
## for bench: augment, throughput, prediction, time-to-score (long) or all
BENCH =
## for test: 1 also runs the slow tests, which start many processes
SLOW =
## the Python (3.11 or later) that makes the environment
PYTHON = python3

# ---- What follows from the knobs

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# make would take a misspelt knob without a word and do something else than was meant.
KNOB_NAMES := COMPETITION PRESET MODEL AUGMENT AUGMENT_ENGINE SEED EPOCHS VALID FOLDS FOLD JOBS \
  DEVICE CLUSTER SET RUN RUNS A B IMAGES SEEDS BASE MEMBER TRIALS BATCH ZIP ANY_SIZE MESSAGE HOURS \
  SORT CSV FORCE PORT BENCH SLOW PYTHON
TYPED := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
UNKNOWN := $(filter-out $(KNOB_NAMES),$(TYPED))
ifneq ($(UNKNOWN),)
$(error there is no knob $(UNKNOWN); `make help` lists them)
endif
ifeq ($(words $(filter FOLD FOLDS,$(TYPED))),2)
$(error FOLD and FOLDS are the same knob; give one of them)
endif

# What was typed is data: no `$` in it means anything to make, and no quote, blank or line end to the
# shell, which finds it in the environment. In all but two, one blank is as good as more.
$(foreach name,$(filter ZIP MESSAGE,$(TYPED)),$(eval override $(name) := $$(value $(name))))
$(foreach name,$(filter-out ZIP MESSAGE,$(TYPED)),$(eval override $(name) := $$(strip $$(value $(name)))))
export $(KNOB_NAMES)
option = $(if $($(2)),$(1)="$$$(2)")
quote = '$(subst ','\'',$(1))'

# Switches. A word that is neither yes nor no is refused before anything is done.
not_a_switch = $(filter-out 1 yes true 0 no false,$($(1)))$(word 2,$($(1)))
$(foreach name,IMAGES ANY_SIZE CSV FORCE SLOW,$(if $(call not_a_switch,$(name)),$(error \
  $(name)=$($(name)) is neither on (1, yes, true) nor off (0, no, false, empty))))
on = $(filter 1 yes true,$($(1)))
forced = $(and $(call on,FORCE),$(filter $(1),$(MAKECMDGOALS)))

VENV := .venv
PIPELINE := $(VENV)/bin/python -m pipeline
knobs = $(of_competition) \
  $(call option,--preset,PRESET) $(call option,--model,MODEL) $(call option,--augment,AUGMENT) \
  $(call option,--augment-engine,AUGMENT_ENGINE) \
  $(call option,--seed,SEED) $(call option,--epochs,EPOCHS) $(call option,--valid,VALID) \
  $(call option,--folds,$(if $(FOLD),FOLD,FOLDS)) $(call option,--jobs,JOBS) \
  $(call option,--device,DEVICE) $(call option,--cluster,CLUSTER) $(call option,--set,SET) \
  $(call option,--run,RUN)

# Cross-validation trains every fold, unless it is told which.
ifneq ($(filter cv,$(MAKECMDGOALS)),)
FOLDS = all
endif

# The environment comes first: make builds it, reads this file again, and goes on.
ifneq ($(filter-out help clean distclean,$(MAKECMDGOALS)),)
include $(VENV)/ready.mk
endif

# A run knows its competition: RUN= alone is enough.
of_competition = $(if $(and $(RUN),$(filter-out $(TYPED),COMPETITION)),,--competition="$$COMPETITION")

# The plan is asked once: what is due, of data, split, train and predict. `shell` sees nothing of what
# is exported.
RUN_GOALS := $(filter train cv predict submission submit,$(MAKECMDGOALS))
DATA_GOALS := $(filter data split kernel preview try sweep audit bench,$(MAKECMDGOALS))
ifdef ENVIRONMENT_READY
ifneq ($(RUN_GOALS)$(DATA_GOALS),)
PLAN := $(shell $(foreach name,$(KNOB_NAMES),$(name)=$(call quote,$($(name)));) \
  $(PIPELINE) plan $(if $(RUN_GOALS),$(knobs),$(of_competition) $(call option,--run,RUN) --data-only))
ifeq ($(PLAN),)
$(error stopped by the error above)
endif
of_competition := --competition=$(firstword $(PLAN))
endif
endif

# Whatever is done anew, the steps after it look for themselves whether that changes anything.
RETRAIN := $(call forced,train cv predict submission)
FETCH := $(ZIP)$(call forced,data)$(filter clean distclean,$(MAKECMDGOALS))
DUE := $(wordlist 2,5,$(PLAN)) $(if $(FETCH),data split train predict) $(if $(RETRAIN),train predict)
if_due = $(if $(filter $(1),$(DUE)),@$(PIPELINE) $(1) $(2))

# ---- The way through

.PHONY: help demo test data split settings models preview play train kernel cv predict submission ensemble submit compare try sweep audit runs leaderboard report bench lint clean distclean

## print this list
help:
	@awk -f .ci/help.awk $(firstword $(MAKEFILE_LIST))

## the whole pipeline on the practice competition: a minute, no account needed
demo:
	@$(MAKE) --no-print-directory submit COMPETITION=practice

## the tests, offline; SLOW=1 also the slow ones
test:
	$(VENV)/bin/python -m pytest -n auto $(if $(call on,SLOW),--slow)

## get the CSV files: by the Kaggle CLI, or ZIP=~/Downloads/digit-recognizer.zip
data:
	$(call if_due,data,$(of_competition) $(call option,--zip,ZIP) \
	  $(if $(call on,ANY_SIZE),--any-size) $(if $(call forced,data),--force))

## assign every training image to one of ten stratified folds
split: data
	$(call if_due,split,$(of_competition))

## list every setting: its value under these knobs, and what it is
settings:
	@$(PIPELINE) settings $(knobs)

## draw what the recipe does: runs/preview-<recipe>.png
preview: data
	@$(PIPELINE) preview $(knobs)

## a page to play on: the recipe live, a digit drawn, the loop; Ctrl-C ends it
play:
	@$(PIPELINE) play $(call option,--competition,COMPETITION) $(call option,--port,PORT)

## list the networks: parameters, multiply-adds, and images/s on this machine
models:
	@$(PIPELINE) models $(knobs)

## train the network; goes on where an interrupted training stopped
train: split
	$(call if_due,train,$(knobs) $(if $(RETRAIN),--force))

## the same on Kaggle's own GPUs, for an account without one: push, wait, fetch
kernel: split
	@$(PIPELINE) kernel $(knobs) $(call option,--hours,HOURS) $(if $(call forced,kernel),--force)

## train every fold, at once where that is faster, and write submissions/<run>.csv
cv: predict

## predict the test images and write submissions/<run>.csv
predict: train
	$(call if_due,predict,$(knobs))

## everything up to submissions/<run>.csv, redoing only what is stale
submission: predict

## average finished runs: RUNS="a b c"; then make submit RUN=<the name it prints>
ensemble:
	@$(PIPELINE) ensemble $(call option,--runs,RUNS) $(call option,--run,RUN) \
	  $(call option,--device,DEVICE) $(if $(call forced,ensemble),--force)

## submission, upload, wait for the score, write submissions/<run>.json
submit: predict
	@$(PIPELINE) submit $(knobs) $(call option,--message,MESSAGE) $(if $(call forced,submit),--force)

## is run B better than run A? make compare A=... B=...
compare:
	@$(PIPELINE) compare $(call option,--a,A) $(call option,--b,B) $(if $(call on,IMAGES),--images)

## does a change help? trains it and its baseline until that is clear
try: split
	@$(PIPELINE) try $(knobs) $(call option,--seeds,SEEDS) $(call option,--base,BASE) \
	  $(call option,--member,MEMBER)

## search better values for a recipe; the best is checked on fresh seeds
sweep: split
	@$(PIPELINE) sweep $(knobs) $(call option,--trials,TRIALS) $(call option,--batch,BATCH)

## a run on one page: runs/<run>/report.html; or beside another: A=... B=...
report:
	@$(PIPELINE) report $(knobs) $(call option,--a,A) $(call option,--b,B)

## what could make a score false: copies, drift, runs that saw their images
audit: split
	@$(PIPELINE) audit $(of_competition) $(call option,--run,RUN) \
	  $(call option,--device,DEVICE)

## all runs, newest first; SORT=accuracy, time, score, name, ...
runs:
	@$(PIPELINE) runs $(call option,--sort,SORT) $(if $(call on,CSV),--csv)

## your submissions: expected score, actual score, inside or outside
leaderboard:
	@$(PIPELINE) leaderboard $(call option,--competition,COMPETITION) $(if $(call on,CSV),--csv)

$(VENV)/ready.mk: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or later is needed; name one with PYTHON=python3.12." >&2; exit 1; }
	@echo "Making the environment in $(VENV): a few minutes, once."
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint requirements.lock --editable '.[dev]'
	@echo 'ENVIRONMENT_READY := yes' > $@

# ---- Upkeep

## measure how fast this machine augments, trains and predicts; BENCH= names one
bench: $(if $(findstring time-to-score,$(BENCH))$(filter all,$(BENCH)),split)
	@$(PIPELINE) bench $(of_competition) $(call option,--bench,BENCH) \
	  $(call option,--device,DEVICE) $(call option,--seed,SEED)

## ruff, format check, type check
lint:
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

## remove runs and caches; never CSV files, submissions or receipts
clean:
	rm -rf runs input/*/digits.npz input/*/neighbours.npz input/*/folds.csv input/*/manifest.json
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

## clean, and remove the environment too
distclean: clean
	rm -rf $(VENV)
