# `make run` builds nalsil and runs the examples; `make test` runs every check. Both need Rust and
# a Python from 3.11 on, and leave what they build in .venv, .venvs and target.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)

.PHONY: run test clean python

run: python
	@$(PYTHON) -m tools.run

# `make test ONLY="ruff 3.12"` runs the steps whose name contains one of the words.
test: python
	@$(PYTHON) -m tools.check $(ONLY)

clean:
	rm -rf .venv .venvs target

python:
	@test -n "$(PYTHON)" || { echo 'cannot find a Python from 3.11 on;' \
		'hint: on Debian, apt-get install python3 python3-venv' >&2; exit 1; }
