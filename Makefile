# PostProber. `make help` lists the targets.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test
PYTEST := $(PY) -m pytest

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("PostProber needs Python 3.11 or newer; this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(TEST_STAMP): requirements-test.txt $(STAMP)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	@touch $@

demo: $(STAMP) ## Everything on the built-in sandbox, with a user, linked accounts and live posts
	@exec $(PY) -m postprober demo

up: $(STAMP) ## Start app, sidecar and scheduler with the settings of .env
	@exec $(PY) -m postprober up

# Without it, every process that a test starts would compile the whole program anew.
test test-slow test-scaled: export PYTHONDONTWRITEBYTECODE =

test: $(TEST_STAMP) ## The test suite (about 10 minutes on 2 cores); the rest is test-slow
	$(PYTEST) -n 2 -m "not slow"

test-slow: $(TEST_STAMP) ## What needs a browser, several processes or a death at every step
	$(PYTEST) -n 2 -m slow --timeout=400

test-scaled: $(TEST_STAMP) ## On PostgreSQL and Redis, the tests whose installation can be on either profile
	PROFILE=scaled $(PYTEST) -n 2 -m "not slow"

lint: $(TEST_STAMP) ## Style, types and the rules of who may import whom
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

BENCHES := throughput lateness recovery memory websocket sessions analytics abuse following media soak
ifeq (bench,$(firstword $(MAKECMDGOALS)))
NAMED := $(filter $(BENCHES),$(wordlist 2,99,$(MAKECMDGOALS)))
.PHONY : $(NAMED)
$(NAMED):
	@:
endif

bench: $(TEST_STAMP) ## Throughput, lateness, recovery, memory: embedded, scaled and a bare loop (one of them: make bench media; hours: make bench soak MINUTES=120)
	$(PY) -m bench $(NAMED)

load: $(TEST_STAMP) ## Many people at one installation for MINUTES=2 (USERS=100, 1000, 10000); nothing lost, nothing doubled
	$(PY) -m bench.load --users $(or $(USERS),100) --minutes $(or $(MINUTES),2)

test-crash: $(TEST_STAMP) ## Kill the worker at every point under every fault (N=3 times each), then at random
	$(PY) -m tests.crash --repeats $(or $(N),3) --kills $(or $(KILLS),1000)

test-chaos: $(TEST_STAMP) ## Random operations against an adversarial platform (RUNS=5000, SEED=1), then deliberate mistakes that must be found
	$(PY) -m tests.chaos --runs $(or $(RUNS),5000) --seed $(or $(SEED),1)

test-alerts: $(TEST_STAMP) ## Kill between a change and the alert about it (KILLS=1000 times); none may be lost
	$(PY) -m tests.crash.alerts --kills $(or $(KILLS),1000)

test-probe: $(TEST_STAMP) ## 1,000 ghosts, 1,000 changes behind our back, 10,000 healthy posts (HEALTHY, GHOSTS, CHANGED), 100 kills of the browser
	$(PY) -m tests.probe --healthy $(or $(HEALTHY),10000) --ghosts $(or $(GHOSTS),1000) --changed $(or $(CHANGED),1000) --kills $(or $(KILLS),100)

test-real: $(TEST_STAMP) ## Against a real Bluesky PDS, a real Fediverse server, a real WordPress, two real Nostr relays and a certified OAuth provider
	PYTHON=$(PY) bash tests/real/run.sh

FUZZ_VENV ?= .venv-fuzz
$(FUZZ_VENV)/.installed: tests/fuzz/requirements.txt
	@test -x $(FUZZ_VENV)/bin/python || $(PYTHON) -m venv $(FUZZ_VENV)
	$(FUZZ_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/fuzz/requirements.txt
	@touch $@

test-fuzz: $(TEST_STAMP) $(FUZZ_VENV)/.installed ## schemathesis against the running sidecar, as a stranger (SECONDS=120)
	$(PY) -m tests.fuzz --schemathesis $(FUZZ_VENV)/bin/schemathesis --seconds $(or $(SECONDS),120)

CLIENTS_VENV ?= .venv-clients
$(CLIENTS_VENV)/.installed: tests/clients/requirements.txt
	@test -x $(CLIENTS_VENV)/bin/python || $(PYTHON) -m venv $(CLIENTS_VENV)
	$(CLIENTS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	@touch $@

test-clients: $(TEST_STAMP) $(CLIENTS_VENV)/.installed ## The platforms' own and most used clients do their whole jobs against the emulators
	$(PY) -m tests.clients --python $(CLIENTS_VENV)/bin/python

ATTACK_VENV ?= .venv-attack
$(ATTACK_VENV)/.installed: tests/attack/requirements.txt
	@test -x $(ATTACK_VENV)/bin/python || $(PYTHON) -m venv $(ATTACK_VENV)
	$(ATTACK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/attack/requirements.txt
	@touch $@

test-attack: $(TEST_STAMP) $(ATTACK_VENV)/.installed ## bandit, semgrep, planted secrets, channels, the app's door, accounts, hostile pages, silent receivers, one token, sqlmap, wapiti, each beside a control (ONLY=bandit,door)
	$(PY) -m tests.attack --tools $(ATTACK_VENV)/bin --only "$(ONLY)"

lint-deploy: $(TEST_STAMP) $(ATTACK_VENV)/.installed ## compose, Kubernetes, Caddy, systemd, Docker and Prometheus files under their linters
	$(PY) -m tests.deploy --tools $(ATTACK_VENV)/bin

test-containers: $(TEST_STAMP) ## The services of compose.yaml, confined as it says, behind Caddy, to a proved post (root, bubblewrap, Caddy)
	$(PY) -m tests.deploy.containers

test-year: $(TEST_STAMP) ## A year of operation with the installed package on both databases: backups, a lost machine, keys, clocks, disks, upgrades (ONLY=…)
	$(PY) -m tests.year --only "$(ONLY)"

test-agent: $(TEST_STAMP) ## The agent: shares of right diagnoses and of repairs, injected texts, the model client; how often the review holds which posts; what suggestions do to long ones
	$(PYTEST) tests/agent tests/sandbox/test_sandbox_openai.py -q
	$(PY) -m tests.agent
	$(PY) -m tests.agent.long_posts

test-trust: $(TEST_STAMP) ## The twenty promises beside careless controls, into docs/trust.md (SCALE=1, ONLY=I5,I6, LIMIT=600 seconds each, SEED, TABLE)
	$(PY) -m tests.trust $(if $(SEED),--seed $(SEED)) --scale $(or $(SCALE),1) --only "$(ONLY)" --seconds $(or $(LIMIT),0) --table "$(or $(TABLE),docs/trust.md)"

model: ## The delivery protocol as a model, searched exhaustively (needs spin and gcc)
	$(PYTHON) docs/model/check.py

sizes: $(STAMP) ## What an installation takes on the disk, with each extra and without, into docs/sizes.md
	$(PY) -m bench.sizes

wheel: $(STAMP) ## Build the package into dist/
	$(PY) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

screenshots: $(TEST_STAMP) ## Take the pictures in docs/pictures/ anew
	$(PY) docs/make_pictures.py

clean: ## Remove the virtual environment and caches (never data/)
	rm -rf $(VENV) $(FUZZ_VENV) $(ATTACK_VENV) $(CLIENTS_VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.PHONY: help demo up test test-slow test-scaled lint bench load test-crash test-alerts test-chaos test-probe test-real test-fuzz test-clients test-agent test-trust model sizes wheel screenshots clean test-attack lint-deploy test-containers test-year
