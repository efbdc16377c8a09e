# ocipy: `make run` runs a container, `make test` tests; `make help` lists the rest.

PREFIX ?= /usr/local
DESTDIR ?=

# A distribution's Python starts faster than most others (its extension modules are linked in); any from 3.11 on does.
PYTHON ?= $(firstword $(foreach p,/usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11,\
    $(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))) /usr/bin/python3)

# The official schemas, which tests compare ours with; they are not part of this repository.
OCIPY_ORACLE ?= $(abspath $(firstword $(wildcard ../*/oracle)))
# A command that boots a machine with another kernel: see tools/test-vm.
OCIPY_VM ?= $(abspath $(firstword $(wildcard ../*/vm/vm)))
export OCIPY_ORACLE OCIPY_VM PYTHON

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.ONESHELL:
.DEFAULT_GOAL := help

VENV := .venv
PYTEST = $(VENV)/bin/python -m pytest
SETUP = $(PYTHON) setup.py -q
TESTS ?= tests
ARGS ?=

.PHONY: help
help: ## show this table
	@awk -F ' ## ' '/^[a-z][a-z-]*:.* ## / { sub(/:.*/, "", $$1); printf "  make %-24s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install what tests and checks need: missing Debian packages (as root) and .venv
	@tools/deps run test
	@$(MAKE) --no-print-directory $(VENV)/installed

$(VENV)/installed: requirements-dev.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -r $<
	touch $@

.PHONY: build
build: bin/ocipy ## compile beside the sources: init, extension, validators, bin/ocipy

INIT := ocipy/_bin/ocipy-init
EXTENSION := ocipy/linux/_syscall.abi3.so
GENERATED := ocipy/spec/_generated.py

$(INIT): setup.py $(wildcard init/*.c init/*.h init/Makefile)
	$(SETUP) build_init --inplace

$(EXTENSION): setup.py ocipy/linux/_syscall.c
	$(SETUP) build_ext --inplace

$(GENERATED): setup.py ocipy/spec/schema_compiler.py $(wildcard spec/*.json)
	$(SETUP) build_spec --inplace

# The dependencies are those of .venv, if it is there.
bin/ocipy: tools/launcher.py $(INIT) $(EXTENSION) $(GENERATED) $(wildcard $(VENV)/installed)
	mkdir -p $(@D)
	$(PYTHON) tools/launcher.py --tree . --output $@

.PHONY: run
run: ## run a container: install what is missing, build, make a demo bundle, run it
	@tools/deps run
	@$(MAKE) --no-print-directory build
	@tools/demo

.PHONY: test
test: deps build ## run the tests (TESTS=tests/plan ARGS=-x narrow it)
	$(PYTEST) $(TESTS) $(ARGS)

# Longer races: OCIPY_RACE_SECONDS=60 make security
.PHONY: security
security: deps build ## try every escape that is known, print the table of what held, and would not have
	OCIPY_CORPUS=1 $(PYTEST) -q tests/security $(ARGS)

# What can run where there is no cgroup v2 is run by `make test`; TESTS="tests/kernel tests/cli" runs all there.
VM_TESTS = $(addprefix tests/kernel/test_,cgroup_devices.py cgroup_manager.py cgroup_v2.py limits.py update.py \
    events.py memory.py cycles.py systemd.py systemd_user.py lsm.py) tests/cli/test_pause.py tests/cli/test_ps.py tests/cli/test_exec.py

.PHONY: test-vm
test-vm: $(VENV)/installed build ## run the tests of limits on cgroup v2 and by systemd, in a machine that $OCIPY_VM boots
	tools/test-vm $(if $(filter command line,$(origin TESTS)),$(TESTS),$(VM_TESTS))

# Each has its say, whatever the others found.
.PHONY: check
check: deps build ## run the linters, the type checker, and the compiler's analyzer on the init
	failed=
	for one in "$(VENV)/bin/ruff check" "$(VENV)/bin/ruff format --check" $(VENV)/bin/mypy \
	    "$(MAKE) -s -C init analyze" tools/words; do
	    $$one || failed+=" [$$one]"
	done
	if [ "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

.PHONY: golden
golden: deps build ## rewrite the golden files that the tests compare with (review the diff)
	OCIPY_GOLDEN=1 $(PYTEST) -q $(TESTS)

LIBRARY = $(PREFIX)/lib/ocipy
HOOKS = $(DESTDIR)$(PREFIX)/libexec/ocipy
SHARE = $(DESTDIR)$(PREFIX)/share
# Where podman looks for what a distribution's package has to say; below /usr/local it looks for nothing.
CONTAINERS_CONF = $(if $(filter /usr,$(PREFIX)),$(DESTDIR)/etc/containers/containers.conf.d/ocipy.conf)
# Debian's zsh looks for what packages bring in a directory of its own; below /usr/local it does as all others.
ZSH_SITE = $(SHARE)/zsh/site-functions
ZSH_DEBIAN = $(SHARE)/zsh/vendor-completions
# With no setuptools of its own, Python makes pip fetch one for the build.
ISOLATION = $(shell $(PYTHON) -c 'import setuptools, wheel' 2>/dev/null && echo --no-build-isolation)

.PHONY: install
install: ## install in PREFIX=/usr/local (DESTDIR for packagers): bin/ocipy, its library, manual, completions
	rm -rf build $(DESTDIR)$(LIBRARY).new $(DESTDIR)$(LIBRARY).old
	$(PYTHON) -m pip install -q --disable-pip-version-check --root-user-action ignore --no-compile \
	    $(ISOLATION) --target $(DESTDIR)$(LIBRARY).new ".[network]"
	rm -rf $(DESTDIR)$(LIBRARY).new/{bin,share}
	$(PYTHON) -m compileall -q --invalidation-mode unchecked-hash \
	    -s $(DESTDIR)$(LIBRARY).new -p $(LIBRARY) $(DESTDIR)$(LIBRARY).new
	mkdir -p $(DESTDIR)$(PREFIX)/bin
	if [ -e $(DESTDIR)$(LIBRARY) ]; then mv -T $(DESTDIR)$(LIBRARY) $(DESTDIR)$(LIBRARY).old; fi
	mv -T $(DESTDIR)$(LIBRARY).new $(DESTDIR)$(LIBRARY)
	$(PYTHON) tools/launcher.py --library $(LIBRARY) --destdir "$(DESTDIR)" \
	    --hot tests/house/imports.txt --output $(DESTDIR)$(PREFIX)/bin/ocipy
	rm -rf $(DESTDIR)$(LIBRARY).old
	mkdir -p $(HOOKS)
	$(PYTHON) tools/launcher.py --library $(LIBRARY) --module ocipy_network --output $(HOOKS)/ocipy-hook-network
	install -m 755 -t $(HOOKS) hooks/ocipy-hook-ldconfig
	$(PYTHON) -m tools.manual $(SHARE)
	if [ -d $(PREFIX)/share/zsh/vendor-completions ]; then
	    install -D -m 644 -t $(ZSH_DEBIAN) $(ZSH_SITE)/_ocipy
	    rm $(ZSH_SITE)/_ocipy
	    rmdir --ignore-fail-on-non-empty $(ZSH_SITE)
	fi
	install -D -m 644 -t $(SHARE)/doc/ocipy docs/engines.md docs/hooks.md docs/network.md docs/python.md
	if [ "$(CONTAINERS_CONF)" ]; then install -D -m 644 docs/containers.conf "$(CONTAINERS_CONF)"; fi

.PHONY: uninstall
uninstall: ## remove what install installed
	rm -rf $(DESTDIR)$(LIBRARY) $(HOOKS) $(DESTDIR)$(PREFIX)/bin/ocipy $(SHARE)/doc/ocipy $(CONTAINERS_CONF)
	rm -f $(SHARE)/man/man8/ocipy.8 $(SHARE)/man/man8/ocipy-*.8 $(SHARE)/bash-completion/completions/ocipy \
	    $(ZSH_SITE)/_ocipy $(ZSH_DEBIAN)/_ocipy $(SHARE)/fish/vendor_completions.d/ocipy.fish

.PHONY: conformance
conformance: deps build ## run the OCI validation suite and all engines on ocipy; fails on a regression
	tools/deps clients & # while the suite runs, most of which is waiting
	failed=
	$(VENV)/bin/python conformance/run $(ARGS) || failed=1
	wait $$!
	[ ! "$$failed" ]
	$(MAKE) --no-print-directory conformance-clients

.PHONY: conformance-clients
conformance-clients: deps build ## run every engine's list on ocipy and on runc (ENGINES="podman ..." narrows it)
	@tools/deps clients
	$(VENV)/bin/python conformance/clients/run $(ENGINES) $(ARGS)

.PHONY: conformance-podman
conformance-podman: ## run podman's list
	@$(MAKE) --no-print-directory conformance-clients ENGINES=podman

.PHONY: conformance-buildah
conformance-buildah: ## run buildah's list
	@$(MAKE) --no-print-directory conformance-clients ENGINES=buildah

.PHONY: conformance-rootless
conformance-rootless: ## run the lists of ordinary users: podman's, and of a runtime that they call themselves
	@$(MAKE) --no-print-directory conformance-clients ENGINES="rootless rootless-run"

.PHONY: conformance-containerd
conformance-containerd: ## run containerd's list on Debian's and on the current one
	@$(MAKE) --no-print-directory conformance-clients ENGINES="containerd containerd-2"

.PHONY: conformance-docker
conformance-docker: ## run dockerd's list on Debian's and on the current one
	@$(MAKE) --no-print-directory conformance-clients ENGINES="docker docker-current"

.PHONY: conformance-cri
conformance-cri: ## run the list of containerd's CRI plugin
	@$(MAKE) --no-print-directory conformance-clients ENGINES=cri

.PHONY: conformance-documents
conformance-documents: ## start engines with the configuration that docs/engines.md has, as it is written
	@$(MAKE) --no-print-directory conformance-clients ENGINES=documents

.PHONY: bench
bench: build ## time ocipy, as it is when installed, beside its peers
	@tools/deps bench
	@$(MAKE) -s install PREFIX=$(CURDIR)/.cache/installed
	bench/run --runtime .cache/installed/bin/ocipy --runtime runc --runtime crun $(ARGS)

.PHONY: faults
faults: deps build ## fail every system call of a create and of an exec, some minutes (ARGS="--verb exec --list")
	$(VENV)/bin/python -m tests.faults $(ARGS)

.PHONY: clean
clean: ## remove what was built, but not .venv
	rm -rf build dist *.egg-info bin/ocipy ocipy/_bin ocipy/linux/*.so $(GENERATED) .cache
	if [ -e init/Makefile ]; then $(MAKE) -s -C init clean; fi
	find ocipy hooks tests tools conformance bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
