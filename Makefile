# edged: make run | make test | make install

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

# picamera2 is available from apt only: if it is installed, the environment must see the system's
# packages, and keep the system's numpy, against which picamera2 was compiled.
PICAMERA2 := $(shell $(PYTHON) -c 'import importlib.util as u; print(u.find_spec("picamera2") is not None)' 2>/dev/null)
ifeq ($(PICAMERA2),True)
SYSTEM_PACKAGES = true
VENV_OPTIONS = --system-site-packages
else
SYSTEM_PACKAGES = false
VENV_OPTIONS =
endif

# A 32-bit system has no LiteRT, but tflite-runtime, which needs numpy 1. Its kernel may have 64 bits:
# then pip, which asks the kernel, must not look for 64-bit packages.
BITS := $(shell $(PYTHON) -c 'import struct; print(8 * struct.calcsize("P"))' 2>/dev/null)
ifeq ($(BITS),32)
EXTRAS = video,web,tflite-runtime
PIP = setarch linux32 $(BIN)/python -m pip
else
EXTRAS = video,web,age
PIP = $(BIN)/python -m pip
endif

ifneq ($(filter True 32,$(PICAMERA2) $(BITS)),)
CONSTRAINTS = $(VENV)/constraints.txt
else
CONSTRAINTS = constraints.txt
endif

TRAIN = .venv-train

.PHONY: help run screenshots test lint check format arm board container home-assistant node-red esphome fuzz-models fuzz-web mutants conformance field torture soak model bench bench-arm bench-environments sbom audit install uninstall lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

# Created again when picamera2 is installed later, which an environment without the system's packages
# would not see.
ENVIRONMENT = $(VENV)/system-packages-$(SYSTEM_PACKAGES)

$(ENVIRONMENT):
	grep -qsx 'include-system-site-packages = $(SYSTEM_PACKAGES)' $(VENV)/pyvenv.cfg || \
		$(PYTHON) -m venv --clear $(VENV_OPTIONS) $(VENV)
	rm -f $(VENV)/system-packages-*
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/constraints.txt: constraints.txt $(ENVIRONMENT)
	sed '/^numpy==/d' constraints.txt > $@

# In the mode "compat" a checkout is one more folder on Python's path; setuptools' default finder adds
# ten milliseconds to every start of Python.
EDITABLE = --config-settings editable_mode=compat --editable

# A stamp for each set of extras: installed again when a dependency changes.
$(VENV)/run.stamp: pyproject.toml setup.py $(wildcard edged/*.c edged/imaging/*.c edged/imaging/*.h) $(CONSTRAINTS) $(ENVIRONMENT)
	$(PIP) install -qq --constraint $(CONSTRAINTS) $(EDITABLE) '.[demo,$(EXTRAS)]'
	@# As pip does for a regular install: otherwise the first start, or every one, compiles.
	$(BIN)/python -m compileall -q edged
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp
	$(PIP) install -qq --constraint $(CONSTRAINTS) $(EDITABLE) '.[demo,$(EXTRAS),completion,test]'
	@touch $@

run: $(VENV)/run.stamp ## start the demo without configuration: camera, model, broker, outputs and page
	@# The page ends with the daemon, not the other way round.
	@$(BIN)/edged web --config config/demo.toml & web=$$!; trap 'kill $$web 2>/dev/null' EXIT; trap exit INT TERM; \
		$(BIN)/edged run --config config/demo.toml

screenshots: $(VENV)/test.stamp ## take the pictures of the pages in docs; needs Debian's chromium; ARGS="--only teaching"
	$(BIN)/python -m tests.web.screenshots --out docs/pictures $(ARGS)

lint: $(VENV)/test.stamp ## check style, types and words
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.style

check: $(VENV)/test.stamp ## run only the tests; make check ARGS="-k decide"
	$(BIN)/python -m pytest $(ARGS)

test: lint check ## check style and types, and run the tests

# The other runtimes, each in its own environment, because they need another numpy or Python.
build/bench/tflite-runtime/stamp:
	$(PYTHON) -m venv build/bench/tflite-runtime
	build/bench/tflite-runtime/bin/python -m pip install --quiet 'tflite-runtime==2.14.0' 'numpy<2' && touch $@

build/bench/tensorflow/stamp:
	$(PYTHON) -m venv build/bench/tensorflow
	build/bench/tensorflow/bin/python -m pip install --quiet 'tensorflow-cpu>=2.16' && touch $@

bench-environments:
	-$(MAKE) build/bench/tflite-runtime/stamp
	-$(MAKE) build/bench/tensorflow/stamp

# Checked first: one line says what to install.
NEEDS = need-arm need-bench need-bench-arm need-board-amd64 need-board-arm64 need-container need-home-assistant need-model need-node-red need-reference need-report-quantization need-soak
.PHONY: $(NEEDS)
$(NEEDS): need-%:
	@tests/need $*

bench: need-bench $(VENV)/test.stamp bench-environments ## run all benchmarks and write docs/benchmarks.md; make bench ARGS="--only frame,start"
	$(BIN)/python -m pip install -qq 'flask>=3'
	$(BIN)/python -m benchmarks $(ARGS)

bench-arm: need-bench-arm ## count instructions on emulated boards' cores for docs/benchmarks.md; needs root; ARGS=--check compares
	$(MAKE) -f benchmarks/arm/image.mk build/arm/disk.ext4
	$(PYTHON) -m benchmarks.arm $(ARGS)

format: $(VENV)/test.stamp ## format the code as `make lint` requires
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(TRAIN)/stamp: models/requirements-train.txt
	python3.11 -m venv $(TRAIN)
	$(TRAIN)/bin/python -m pip install --quiet -r $<
	@touch $@

model: need-model $(TRAIN)/stamp ## train the bundled model, an afternoon on a CPU; ARGS="--epochs 60"
	$(TRAIN)/bin/python -m models.recipe train $(ARGS)

fuzz-models: $(VENV)/test.stamp ## try ten thousand damaged models
	$(BIN)/python -m tests.fuzz_models --count 10000 --seed 0 --out docs/reports/fuzz-models.md

fuzz-web: $(VENV)/test.stamp ## test the model APIs against their OpenAPI document; ARGS="--examples 1000 --seed 7"
	$(BIN)/python -m tests.fuzz_web $(ARGS)

mutants: $(VENV)/test.stamp ## check that the tests detect small faults in the code; ARGS="--only edged/reload.py"
	$(BIN)/python -m tests.mutants --out docs/reports/mutants.md $(ARGS)

build/conformance/tflite-runtime/stamp: pyproject.toml setup.py
	$(PYTHON) -m venv build/conformance/tflite-runtime
	build/conformance/tflite-runtime/bin/python -m pip install --quiet $(EDITABLE) '.[tflite-runtime]' && touch $@

conformance: $(VENV)/test.stamp ## compare edged with Pillow and a bare interpreter; ARGS="--models DIR --pictures DIR"
	-$(MAKE) build/conformance/tflite-runtime/stamp
	$(BIN)/python -m tests.conformance --out docs/reports/conformance.md $(ARGS)

field: $(VENV)/test.stamp ## simulate faults of brokers, cameras, pins and clocks, case by case
	$(BIN)/python -m tests.field --out docs/reports/field.md

torture: $(VENV)/test.stamp ## stress edged with random faults; ARGS="--only guard --seconds 60"; fuzz needs clang
	$(PIP) install -qq --constraint $(CONSTRAINTS) 'atheris; platform_machine == "x86_64" and python_version >= "3.11"'
	$(BIN)/python -m tests.torture --out docs/reports/torture.md $(ARGS)

HOURS ?= 0.25
soak: need-soak $(VENV)/test.stamp ## look for leaks in all processes under load; make soak HOURS=24
	$(BIN)/python -m tests.soak --hours $(HOURS) --out docs/reports/soak.md

# Home Assistant requires a newer patch release of Python 3.13; the parts used here run on any.
PYTHON313 ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.13.*/bin/python) python3.13)
HOME_ASSISTANT = homeassistant==2026.2.3 paho-mqtt==2.1.0

build/home-assistant/stamp: Makefile
	$(PYTHON313) -m venv build/home-assistant
	build/home-assistant/bin/python -m pip install --quiet uv
	build/home-assistant/bin/uv pip install --quiet --python build/home-assistant/bin/python --python-version 3.13.2 $(HOME_ASSISTANT)
	@touch $@

home-assistant: need-home-assistant $(VENV)/test.stamp build/home-assistant/stamp ## test with a real Home Assistant; takes minutes
	build/home-assistant/bin/python tests/home_assistant/keys.py | diff tests/home_assistant/device.schema.json -
	$(BIN)/python -m pytest tests/home_assistant $(ARGS)

build/node-red/stamp:
	npm install --silent --no-audit --no-fund --omit=dev --prefix build/node-red node-red@4
	@touch $@

node-red: need-node-red $(VENV)/test.stamp build/node-red/stamp ## test the flow of docs/integrations.md in a real Node-RED
	$(BIN)/python -m pytest tests/integrations/test_node_red.py $(ARGS)

build/esphome/stamp:
	$(PYTHON) -m venv build/esphome
	build/esphome/bin/python -m pip install --quiet 'esphome>=2026.2' && touch $@

esphome: $(VENV)/test.stamp build/esphome/stamp ## check the snippet of docs/integrations.md with ESPHome
	$(BIN)/python -m pytest tests/integrations/test_esphome.py $(ARGS)

arm: need-arm ## run the tests on an emulated 64-bit Arm computer; needs root; make arm ARGS="tests/imaging"
	$(MAKE) -f tests/arm/image.mk build/arm/debian.stamp
	tests/arm/run $(ARGS)

ARCH = amd64
BOARD_REPORT = docs/reports/$(if $(filter arm64,$(ARCH)),arm,board).md
board: need-board-$(ARCH) $(VENV)/test.stamp ## test edged on an emulated computer with a real kernel, systemd, cameras, pins; needs root; ARCH=arm64
	$(MAKE) -f tests/board/image.mk ARCH=$(ARCH) build/board/$(ARCH)/disk.ext4
	$(BIN)/python -m tests.board --arch $(ARCH) $(or $(ARGS),--out $(BOARD_REPORT))
	@echo "instructions on a board's own cores, against the committed ones: make bench-arm ARGS=--check"

container: need-container $(VENV)/test.stamp ## the image of the Containerfile, built by buildah and called; needs root
	tests/container/build $(CURDIR)/build/container
	$(BIN)/python -m pytest tests/container $(ARGS)

include docs/reports/reports.mk

# Downloads must have one of the hashes that `make lock` wrote. pip checks no hash of a folder, and fetches
# what builds a wheel in isolation without one: edged comes second, without either. The wheels for
# 32-bit Arm come from where their hashes are not known beforehand: there only the versions are pinned.
WITHOUT_NUMPY = '/^numpy==/,/[^\\]$$/d'
ifeq ($(BITS),32)
INSTALL = sed $(WITHOUT_NUMPY) constraints.txt > $(1)/constraints.txt && \
	$(PIP) install -qq --constraint $(1)/constraints.txt '.[$(EXTRAS),completion,report]'
else
INSTALL = sed $(if $(filter True,$(PICAMERA2)),$(WITHOUT_NUMPY),'') requirements/install.txt > $(1)/requirements.txt && \
	$(PIP) install -qq --require-hashes --requirement $(1)/requirements.txt && \
	$(PIP) install -qq --no-deps --no-build-isolation .
endif

build/audit/stamp: BIN = build/audit/installed/bin
build/audit/stamp: constraints.txt requirements/install.txt pyproject.toml
	$(PYTHON) -m venv --clear build/audit/installed
	$(call INSTALL,build/audit/installed)
	$(PYTHON) -m venv --clear build/audit/tools
	build/audit/tools/bin/python -m pip install -qq cyclonedx-bom pip-audit
	touch $@

sbom: build/audit/stamp ## what `make install` installs, as CycloneDX: build/audit/edged.cdx.json
	build/audit/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o build/audit/edged.cdx.json build/audit/installed/bin/python

audit: build/audit/stamp ## known vulnerabilities of what `make install` installs; asks pypi.org
	build/audit/tools/bin/pip-audit --path "$$(build/audit/installed/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-emit-index-url --no-header --no-annotate
HASHED = echo setuptools | $(LOCK) --generate-hashes --constraint constraints.txt pyproject.toml -

lock: $(VENV)/test.stamp ## renew the pins of dependencies, and their hashes, from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(LOCK) --extra demo --extra video --extra lgpio --extra web --extra age --extra completion --extra test --extra fuzz \
		--constraint constraints.in pyproject.toml -o constraints.txt
	$(HASHED) --extra video --extra web --extra age --extra completion --extra report -o requirements/install.txt
	$(HASHED) --extra web -o requirements/action.txt

# The destinations; DESTDIR precedes each path at the install, but no installed file contains it.
prefix ?= /usr/local
bindir = $(prefix)/bin
libdir = $(prefix)/lib/edged
sysconfdir ?= /etc
unitdir ?= $(sysconfdir)/systemd/system
sysusersdir ?= $(sysconfdir)/sysusers.d
tmpfilesdir ?= $(sysconfdir)/tmpfiles.d
completiondir ?= $(prefix)/share/bash-completion/completions
UNITS = edged.service edged@.service edged-web.service

install: BIN = $(DESTDIR)$(libdir)/bin
install: ## install the service; DESTDIR= and prefix= as usual
	$(PYTHON) -m venv --clear $(VENV_OPTIONS) $(DESTDIR)$(libdir)
	$(call INSTALL,$(DESTDIR)$(libdir))
	@# Root's build files would be stale at the next install, and the checkout's owner cannot remove them.
	rm -rf build/lib* build/bdist* build/temp* edged.egg-info; [ ! -d build ] || rmdir --ignore-fail-on-non-empty build
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(completiondir) $(DESTDIR)$(unitdir) $(DESTDIR)$(sysusersdir) $(DESTDIR)$(tmpfilesdir)
	$(DESTDIR)$(libdir)/bin/edged completion bash > $(DESTDIR)$(completiondir)/edged
ifneq ($(DESTDIR),)
	grep -rlIF '$(DESTDIR)' $(DESTDIR)$(libdir)/bin $(DESTDIR)$(libdir)/pyvenv.cfg | xargs -r sed -i 's|$(DESTDIR)||g'
endif
	ln -sf $(libdir)/bin/edged $(DESTDIR)$(bindir)/edged
	for unit in $(UNITS); do sed 's|/usr/bin/edged|$(bindir)/edged|g' systemd/$$unit > $(DESTDIR)$(unitdir)/$$unit; done
	install -m 644 systemd/edged.sysusers $(DESTDIR)$(sysusersdir)/edged.conf
	install -m 644 systemd/edged.tmpfiles $(DESTDIR)$(tmpfilesdir)/edged.conf
ifeq ($(DESTDIR),)
	if command -v systemd-sysusers >/dev/null; then systemd-sysusers edged.conf; fi
	if [ -d /run/systemd/system ]; then systemd-tmpfiles --create edged.conf; systemctl daemon-reload; fi
endif
	install -d $(DESTDIR)$(sysconfdir)/edged
	[ -e $(DESTDIR)$(sysconfdir)/edged/edged.toml ] || install -m 640 config/edged.toml $(DESTDIR)$(sysconfdir)/edged/edged.toml
ifeq ($(DESTDIR),)
	if getent group edged >/dev/null; then chgrp edged $(sysconfdir)/edged/edged.toml; fi
endif

uninstall: ## stop edged and remove the installed files; keeps configuration and state
ifeq ($(DESTDIR),)
	if [ -d /run/systemd/system ]; then systemctl disable --now edged-web.service edged.service \
		$$(systemctl list-units --all --plain --no-legend 'edged@*' | cut -d ' ' -f 1); fi
endif
	rm -rf $(DESTDIR)$(libdir)
	rm -f $(DESTDIR)$(bindir)/edged $(DESTDIR)$(completiondir)/edged
	rm -f $(addprefix $(DESTDIR)$(unitdir)/,$(UNITS)) $(DESTDIR)$(sysusersdir)/edged.conf $(DESTDIR)$(tmpfilesdir)/edged.conf
ifeq ($(DESTDIR),)
	if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
endif

clean: ## remove build products
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
