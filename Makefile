# One command each; every one makes what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: verified hashes demo test quick test-machines test-all lint documents docs gallery licences profile bench bench-quick bench-busy clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile -c constraints.txt -e '.[test,dev]'
	# pip compiles on one core; a package may hold files for a later Python, which do not compile.
	$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	touch $(STAMP)

# The same from files whose digests are written down in .ci/hashes.txt, and no others.
verified:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --no-deps --require-hashes -r .ci/hashes.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $(STAMP)

hashes: $(STAMP)
	$(BIN)/python docs/write_hashes.py

demo: $(STAMP)
	$(BIN)/symfind discover sample_data/dimuons.h5

lint: $(STAMP)
	$(BIN)/ruff check symfind tests benchmarks docs
	$(BIN)/ruff format --check --quiet symfind tests benchmarks docs sample_data
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(STAMP)
	$(MAKE) --no-print-directory --jobs 2 lint quick

# Two processes of one thread each: small matrices gain nothing from a second thread.
quick: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

# The same under the arithmetic of other processors, and the samples' verdicts compared between them.
test-machines: $(STAMP)
	$(BIN)/python -m benchmarks.machines tests
	$(BIN)/python -m benchmarks.machines samples

test-all: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not gpu"

# What docs/ holds of the code: tests fail where it is older.
documents: $(STAMP)
	$(BIN)/python docs/write_commands.py
	$(BIN)/python docs/write_man.py
	$(BIN)/python docs/write_kinds.py
	$(BIN)/python docs/write_glossary.py
	OMP_NUM_THREADS=1 $(BIN)/python docs/write_architecture.py
	$(BIN)/python docs/write_first_steps.py
	$(BIN)/python docs/write_equations.py

# Ten commands: seconds by phase; alone and beside a busy process. Both write their part of docs/performance.md.
profile: $(STAMP)
	$(BIN)/python -m benchmarks.where_time_goes --write

# Ratios of processor time, ours to others'; the quick ones fail where one is half as large again as it was kept.
bench: $(STAMP)
	$(BIN)/python -m benchmarks.bench --write

bench-quick: $(STAMP)
	$(BIN)/python -m benchmarks.bench --quick

bench-busy: $(STAMP)
	$(BIN)/python -m benchmarks.busy --write

# The site, in build/site; a link that leads nowhere is an error.
docs: $(STAMP)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# The gallery and the notebooks, with what their commands print now: ten minutes.
gallery: $(STAMP)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/python docs/write_gallery.py
	$(BIN)/python docs/write_notebooks.py
	$(BIN)/python docs/write_compare.py

# The licences of all that symfind needs, as the installed packages state them.
licences: $(STAMP)
	$(BIN)/python docs/write_licences.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
