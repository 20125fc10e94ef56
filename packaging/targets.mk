# `sam build` copies a function's or layer's folder, enters the copy, and asks for build-<logical id>.
PYTHON ?= python3
PACKAGING := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

build-%:
	@$(PYTHON) "$(PACKAGING)/package.py" --architecture $(ARCHITECTURE) . "$(ARTIFACTS_DIR)"
