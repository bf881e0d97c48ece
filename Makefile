# make demo: from nothing to a small reasoning model.  make test: the test suite.
# Everything lives in .venv; run twice, the second time skips what is done.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check install -q -c constraints.txt
RUN := runs/tiny
# Official checkers that the audit and the tests compare with; without what else their packages depend on.
ORACLES := lm-eval==0.4.13 nltk==3.10.4 immutabledict==4.3.1 llama-index-core==0.14.25 bfcl-eval==2026.3.23

.PHONY: demo test install clean

demo: $(VENV)/.core
	@if [ -f $(RUN)/report.json ]; then $(VENV)/bin/ponder report $(RUN); \
	 elif [ -d $(RUN)/checkpoints ]; then $(VENV)/bin/ponder resume $(RUN); \
	 else $(VENV)/bin/ponder train recipes/tiny.yaml --run $(RUN); fi
	@echo; echo "Pictures and answers before and after: $(RUN)/report.html"
	@echo "Talk to it:                            $(VENV)/bin/ponder chat $(RUN), or $(VENV)/bin/ponder serve $(RUN)"

test: $(VENV)/.dev
	$(VENV)/bin/python -m pytest -n 2

install: $(VENV)/.core

# torch comes first and alone: later steps then find it there, and ask for no other build of it.
$(VENV)/.core: pyproject.toml constraints.txt
	@echo "Setting up $(VENV): a minute or two, once."
	@$(PYTHON) -c 'import sys; sys.exit("Ponder needs Python 3.11 or newer, this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) -e '.[chat]'
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps $(ORACLES)
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
