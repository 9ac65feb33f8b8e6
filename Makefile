# edgefer: what a newcomer types. Nothing needs to be done before any of these targets.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
BUILD  ?= build
NATIVE  = setup.py pyproject.toml $(wildcard csrc/*)
KERNEL_TESTS = $(wildcard tests/test_kernels*.py)

.PHONY: help demo test test-scalar test-train lint bench train-all compile-arm test-arm test-alternative wheel docs clean
.PHONY: library arm-cycles fuzz
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.demo  ## build into .venv and read a portrait moving before a simulated camera
	$(BIN)/edgefer run --source demo

test: $(VENV)/.dev  ## the whole test suite, then the kernels once more with SIMD switched off
	$(BIN)/python -m pytest
	@$(MAKE) --no-print-directory test-scalar

test-scalar: $(VENV)/.dev
	EDGEFER_ISA=scalar $(BIN)/python -m pytest $(KERNEL_TESTS)

lint: $(VENV)/.dev  ## style of the Python code
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

bench: $(VENV)/.dev  ## kernels and the whole frame beside OpenCV and other peers; prints the tables
	$(BIN)/python -m pytest bench --benchmark-only --benchmark-disable-gc --benchmark-group-by=group \
	  --benchmark-columns=median,iqr,ops --benchmark-sort=fullname
	$(BIN)/python bench/whole_frame.py

test-train: $(VENV)/.train  ## the tests of the training side, which need Keras and TensorFlow
	$(BIN)/python -m pytest tests/train

train-all: $(VENV)/.train  ## list every model, trained or owed, and train what is owed
	$(BIN)/python -m edgefer.train all

test-arm: $(VENV)/.dev  ## the kernel tests and a clip on emulated ARM processors; needs root on Debian 12
	PYTHON=$(BIN)/python sh tests/device/test_arm.sh

test-alternative:  ## the model tests on tflite-runtime with NumPy 1, for Python 3.10 and 3.11
	sh tests/device/alternative_runtime.sh $(PYTHON)

compile-arm:  ## compile the kernels for aarch64 with a cross compiler
	sh tests/device/compile_arm.sh

library: $(BUILD)/libedgefer.so $(BUILD)/libedgefer.a  ## the kernels for programs without Python: docs/embedding.md

arm-cycles: $(VENV)/.dev  ## forecast cycles per pixel of the ARM kernels with llvm-mca
	$(BIN)/python bench/arm_cycles.py

fuzz: $(BUILD)/fuzz/differential  ## FUZZ_CASES random cases of each kernel, every variant against plain loops
	$< --cases $(FUZZ_CASES)

wheel: $(VENV)/.dev  ## build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

docs: $(VENV)/.dev  ## write the pages that are generated from the code
	$(BIN)/python -m edgefer.config > docs/configuration.md
	$(BIN)/python -m edgefer.train.report

clean:  ## remove everything that was built
	rm -rf $(VENV) .venv-alternative-* .arm build dist *.egg-info edgefer/*.so .pytest_cache .ruff_cache .benchmarks

# The kernels and the C functions as libraries, by the flags of setup.py; another compiler or other flags get another
# BUILD folder.
CXXFLAGS  = -O3 -std=c++17 -Wall -Wextra -ffp-contract=off
KERNELS   = $(filter-out csrc/bindings%,$(wildcard csrc/*.cpp))
OBJECTS   = $(KERNELS:csrc/%.cpp=$(BUILD)/objects/%.o)

$(BUILD)/objects/%.o: csrc/%.cpp
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -fPIC -fvisibility=hidden -MMD -MP -c $< -o $@
-include $(OBJECTS:.o=.d)

$(BUILD)/libedgefer.a: $(OBJECTS)
	@rm -f $@
	@$(AR) rcs $@ $^

# The number is EDGEFER_ABI_VERSION of csrc/edgefer.h.
$(BUILD)/libedgefer.so.1: $(OBJECTS) csrc/libedgefer.map
	@$(CXX) $(CXXFLAGS) -shared -Wl,-soname,$(@F) -Wl,--version-script=csrc/libedgefer.map $(OBJECTS) -o $@

$(BUILD)/libedgefer.so: $(BUILD)/libedgefer.so.1
	@ln -sf $(<F) $@

FUZZ_CASES ?= 1000000
$(BUILD)/fuzz/differential: tests/fuzz/differential.cpp tests/fuzz/reference.cpp tests/fuzz/reference.h csrc/edgefer.h \
		$(BUILD)/libedgefer.a
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -Icsrc $(filter %.cpp %.a,$^) -o $@

# One stamp per set of packages: pip runs again only when the metadata or the C++ changes.
$(VENV)/.demo: $(NATIVE) | $(VENV)/bin/python
	@echo "edgefer: building into $(VENV) (about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/.dev: $(NATIVE) | $(VENV)/bin/python
	@echo "edgefer: building into $(VENV) with the test tools (about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.train: $(VENV)/.dev
	@echo "edgefer: installing the training tools into $(VENV) (several minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,train]'
	@touch $@

$(VENV)/bin/python:
	@PYTHON=$(PYTHON) sh tests/device/check_build_tools.sh
	@$(PYTHON) -m venv $(VENV)
