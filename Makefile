# `make run` builds nalsil and compares the forms of a work; `make test` runs every check. Both need Rust and
# a Python from 3.11 on, and leave what they build in .venv, .venvs and target.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)

.PHONY: run test test-next guide clean python

run: python
	@$(PYTHON) -m tools.run

# `make test ONLY="ruff 3.12"` runs the steps whose name contains one of the words.
test: python
	@$(PYTHON) -m tools.check $(ONLY)

# The Pythons to come, in a root of Debian's unstable suite; needs the rights of root and debootstrap.
test-next: python
	@$(PYTHON) -m tools.next $(ONLY)

# Measures every number of the guide anew and writes it into docs/: on a quiet machine, ten minutes.
guide: python
	@$(PYTHON) -m tools.guide $(ONLY)

clean:
	rm -rf .venv .venvs target

python:
	@test -n "$(PYTHON)" || { echo 'cannot find a Python from 3.11 on;' \
		'hint: on Debian, apt-get install python3 python3-venv' >&2; exit 1; }
