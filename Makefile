# edgefer: what a newcomer types. Nothing needs to be done before any of these targets.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
BUILD  ?= build
NATIVE  = setup.py pyproject.toml $(wildcard csrc/*/* edgefer/sources/camera/v4l2*)
KERNEL_TESTS = tests/kernels
OPENCV5_TESTS = $(addprefix tests/,detect kernels landmarks loop preprocess reader recognize sources track)

.PHONY: help demo test test-scalar test-train lint bench train-all train-short compile-arm test-arm test-alternative wheel wheels docs clean
.PHONY: soak test-opencv5 test-wheels test-device test-device-arm library arm-cycles fuzz fuzz-abi fuzz-files test-sanitized compile-clang damage kill-updates
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.demo  ## build into .venv and read a portrait moving before a simulated camera
	$(BIN)/edgefer run --source demo

test: $(VENV)/.dev  ## the whole test suite, then the kernels once more with SIMD switched off
	$(BIN)/python -m pytest
	@$(MAKE) --no-print-directory test-scalar

test-scalar: $(VENV)/.dev  ## the kernel tests with SIMD switched off
	EDGEFER_ISA=scalar $(BIN)/python -m pytest $(KERNEL_TESTS)

lint: $(VENV)/.dev  ## style and types of the Python code, style of the C++
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $$(find csrc bench edgefer tests -name '*.[ch]' -o -name '*.cpp')
	$(BIN)/mypy

bench: $(VENV)/.dev  ## kernels and the whole frame beside OpenCV and other peers; prints the tables
	$(BIN)/python -m pytest bench --benchmark-only --benchmark-disable-gc --benchmark-group-by=group \
	  --benchmark-columns=median,iqr,ops --benchmark-sort=fullname
	$(BIN)/python bench/whole_frame.py

test-train: $(VENV)/.train  ## the tests of the training side, which need Keras and TensorFlow
	$(BIN)/python -m pytest tests/train

train-all: $(VENV)/.train  ## list every model, trained or not, train what is not run yet, and write the tables
	$(call then_tables,all)

train-short: $(VENV)/.train  ## train short forms of all recipes, some minutes of a CPU each, and write them into the tables
	$(call then_tables,short)

# What failed is told by the exit status; what finished is in the tables all the same, but for an interrupt.
then_tables = $(BIN)/python -m edgefer.train $(1); code=$$?; \
  [ $$code -eq 130 ] || $(BIN)/python -m tools.collect && exit $$code

test-arm: $(VENV)/.dev  ## the kernel tests, a clip and IMAGES=40 faces on emulated ARM processors; needs root on Debian
	PYTHON=$(BIN)/python sh tests/device/test_arm.sh

test-alternative:  ## the model tests on tflite-runtime with NumPy 1, where Python 3.10 or 3.11 is
	sh tests/device/alternative_runtime.sh $(PYTHON)

test-opencv5: $(VENV)/.dev  ## the tests that pictures go through, with OpenCV 5, which lies beside the environment's
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target build/opencv5 'opencv-python-headless>=5,<6'
	PYTHONPATH=build/opencv5 $(BIN)/python -m pytest $(OPENCV5_TESTS)

compile-arm: $(VENV)/.dev  ## compile the kernels and the cameras' module for aarch64 with a cross compiler
	+@PYTHON=$(BIN)/python sh tests/device/compile_arm.sh

library: $(BUILD)/libedgefer.so $(BUILD)/libedgefer.a  ## the kernels for programs without Python: docs/embedding.md

arm-cycles: $(VENV)/.dev  ## forecast cycles per pixel of the ARM kernels with llvm-mca
	$(BIN)/python bench/arm_cycles.py

fuzz: $(BUILD)/fuzz/differential  ## FUZZ_CASES random cases of each kernel, every variant against plain loops
	$< --cases $(FUZZ_CASES)

fuzz-abi:  ## FUZZ_RUNS calls of the C functions with arbitrary arguments, under libFuzzer, ASan and UBSan
	@command -v $(CLANGXX) >/dev/null || { echo "fuzz-abi: no $(CLANGXX); install clang and libclang-rt-dev" >&2; exit 1; }
	@$(MAKE) --no-print-directory BUILD=build/fuzz-abi CXX=$(CLANGXX) OPTIMISE="-O2 -g1 $(SANITIZE)" \
	  FUZZER="-fsanitize=fuzzer-no-link $(FEWER)" build/fuzz-abi/fuzz_c_api
	ASAN_OPTIONS=malloc_context_size=0:quarantine_size_mb=1 \
	  build/fuzz-abi/fuzz_c_api -runs=$(FUZZ_RUNS) -max_len=64 -use_counters=0 -entropic=0 -reload=0 \
	  -print_final_stats=1 -artifact_prefix=build/fuzz-abi/ build/fuzz-abi/found tests/fuzz/corpus

fuzz-files: $(VENV)/.dev  ## FUZZ_FILES cut and FUZZ_FILES spoilt copies of each kind of film and photograph through the command line
	$(BIN)/python tests/fuzz/damaged_files.py --cases $(FUZZ_FILES)

damage: $(VENV)/.dev  ## 500 of each of six kinds of damage to model files: each refused in one line
	$(BIN)/python tests/fuzz/damaged_models.py

kill-updates: $(VENV)/.dev  ## model updates killed at every system call and at 1000 random moments; needs strace
	$(BIN)/python tests/fuzz/killed_updates.py

# One test limits the address space, which ASan cannot live with.
test-sanitized: $(VENV)/.dev  ## the kernel tests on an extension that reports wrong addresses and undefined arithmetic
	@$(MAKE) --no-print-directory BUILD=build/sanitized OPTIMISE="-O1 -g1 -Wno-uninitialized -Wno-maybe-uninitialized $(SANITIZE)" \
	  build/sanitized/edgefer/_kernels.so
	@ln -sf $(filter-out %.so,$(wildcard $(CURDIR)/edgefer/*)) build/sanitized/edgefer/
	cd build/sanitized && ASAN_OPTIONS=detect_leaks=0 \
	  LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
	  $(abspath $(BIN))/python -m pytest -p no:cacheprovider $(abspath $(KERNEL_TESTS)) \
	  --deselect tests/kernels/test_variants.py::test_working_memory_that_is_not_there_is_a_memory_error

compile-clang: $(VENV)/.dev  ## compile the library and the extension with clang, warnings as errors
	@$(MAKE) --no-print-directory BUILD=build/clang CXX=$(CLANGXX) OPTIMISE="-O3 -Werror" library \
	  build/clang/edgefer/_kernels.so build/clang/edgefer/sources/camera/_v4l2.so build/clang/fuzz/differential

soak: $(VENV)/.dev  ## LOSSES losses of a camera, of every kind; then SOAK_FRAMES frames as fast as they go
	$(BIN)/python tests/soak/losses.py --cycles $(LOSSES)
	$(BIN)/python tests/soak/frames.py --frames $(SOAK_FRAMES)

LOSSES      ?= 1000
SOAK_FRAMES ?= 1000000

# What setuptools left goes first, or modules that have moved would be packed once more.
wheel: $(VENV)/.dev  ## build the wheel into dist/
	@rm -rf build/lib.*
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

wheels: wheel $(VENV)/.wheels  ## build the wheels of PYTHONS and MACHINES, by default of all, into dist/
	$(BIN)/python -m tools.wheels $(PYTHONS:%=--python %) $(MACHINES:%=--machine %)

test-wheels: wheels  ## run the demo from the wheels of Debian's Pythons, 3.11, 3.13 and 3.14, on both processors; needs root on Debian
	PYTHON=$(BIN)/python sh tests/device/wheels.sh $(foreach release,bookworm trixie forky,$(release)-amd64 $(release)-arm64)

test-device: wheel  ## boot a virtual device with a camera and systemd, and do it harm; SCENARIOS=short boots once; root on Debian
	EDGEFER_DEVICE=$(or $(SCENARIOS),whole) $(BIN)/python -m pytest tests/device/virtual && cat build/device/measured.txt

test-device-arm: MACHINES = aarch64
test-device-arm: wheels  ## the same on an emulated ARM processor, whose system is made once, in most of an hour
	EDGEFER_DEVICE_ARCH=arm64 EDGEFER_DEVICE=$(or $(SCENARIOS),whole) $(BIN)/python -m pytest tests/device/virtual
	cat build/device/measured.txt

docs: $(VENV)/.dev  ## write the pages and tables that are generated from code and results
	$(BIN)/python -c 'from edgefer import config; print(config.documentation(), end="")' > docs/configuration.md
	$(BIN)/python -m tools.reproduction
	$(BIN)/python -m tools.frontier
	$(BIN)/python -m tools.robustness
	$(BIN)/python -m tools.tricks
	$(BIN)/python -m tools.readme

clean:  ## remove everything that was built
	rm -rf $(VENV) .venv-alternative-* .arm build dist *.egg-info edgefer/*.so edgefer/sources/camera/*.so .pytest_cache .mypy_cache .ruff_cache .benchmarks

# The kernels and the C functions as libraries, by the flags of setup.py; another compiler or other flags get another
# BUILD folder.
OPTIMISE  = -O3
CXXFLAGS  = $(OPTIMISE) -std=c++17 -Wall -Wextra -ffp-contract=off
SOURCES   = $(wildcard csrc/*/*.cpp)
OBJECTS   = $(patsubst csrc/%.cpp,$(BUILD)/objects/%.o,$(filter-out csrc/python/%,$(SOURCES)))

$(BUILD)/objects/%.o: csrc/%.cpp
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -fPIC -fvisibility=hidden $(FUZZER) -Icsrc $(INCLUDES) -MMD -MP -c $< -o $@
-include $(wildcard $(BUILD)/objects/*/*.d)

# The extension in a folder of its own, beside the one that pip builds.
EXTENSION = $(patsubst csrc/%.cpp,$(BUILD)/objects/%.o,$(filter-out csrc/c/%,$(SOURCES)))
$(BUILD)/objects/python/%.o: INCLUDES = $(shell $(BIN)/python -c \
	'import pybind11, sysconfig; print("-isystem", pybind11.get_include(), "-isystem", sysconfig.get_path("include"))')
$(BUILD)/edgefer/_kernels.so: $(EXTENSION)
	@mkdir -p $(@D)
	@$(CXX) $(CXXFLAGS) -shared $^ -o $@

# The cameras' module, as cffi writes it. A C++ compiler of another architecture, or clang's, has a C compiler in it.
$(BUILD)/v4l2/_v4l2.c: $(wildcard edgefer/sources/camera/v4l2*)
	@mkdir -p $(@D)
	@$(BIN)/python -c 'import runpy; runpy.run_path("edgefer/sources/camera/v4l2_build.py")["ffi"].emit_c_code("$@")'
$(BUILD)/edgefer/sources/camera/_v4l2.so: INCLUDES += $(shell $(BIN)/python -c \
	'import sysconfig; print("-isystem", sysconfig.get_path("include"))')
$(BUILD)/edgefer/sources/camera/_v4l2.so: $(BUILD)/v4l2/_v4l2.c
	@mkdir -p $(@D)
	$(CXX) -x c -O2 -Wall -Werror -fPIC -shared -Iedgefer/sources/camera $(INCLUDES) $< -o $@

$(BUILD)/libedgefer.a: $(OBJECTS)
	@rm -f $@
	@$(AR) rcs $@ $^

# The number is EDGEFER_ABI_VERSION of csrc/c/edgefer.h.
$(BUILD)/libedgefer.so.1: $(OBJECTS) csrc/c/libedgefer.map
	@$(CXX) $(CXXFLAGS) -shared -Wl,-soname,$(@F) -Wl,--version-script=csrc/c/libedgefer.map $(OBJECTS) -o $@

$(BUILD)/libedgefer.so: $(BUILD)/libedgefer.so.1
	@ln -sf $(<F) $@

FUZZ_CASES ?= 1000000
FUZZ_FILES ?= 200
$(BUILD)/fuzz/differential: tests/fuzz/differential.cpp tests/fuzz/reference.cpp tests/fuzz/reference.h csrc/c/edgefer.h \
		$(BUILD)/libedgefer.a
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -Icsrc/c $(filter %.cpp %.a,$^) -o $@

# What clang needs to report a wrong address or undefined arithmetic and to stop there.
CLANGXX   ?= clang++
SANITIZE   = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# Without recording the comparisons of every loop, which took more time than all else.
FEWER      = -fno-sanitize-coverage=trace-cmp
FUZZ_RUNS ?= 10000000
$(BUILD)/fuzz_c_api: tests/fuzz/fuzz_c_api.cpp csrc/c/edgefer.h $(BUILD)/libedgefer.a
	@mkdir -p $(BUILD)/found
	$(CXX) $(CXXFLAGS) -fsanitize=fuzzer $(FEWER) -Icsrc/c $(filter %.cpp %.a,$^) -o $@

# One stamp per set of packages: pip runs again only when the metadata or the C++ changes. It compiles the packages that
# it installs; these sources it leaves to their first run, which some environments do not let write what it compiled.
COMPILE    = $(BIN)/python -m compileall -q edgefer
$(VENV)/.demo: $(NATIVE) | $(VENV)/bin/python
	@echo "edgefer: building into $(VENV) (about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,film]'
	@$(COMPILE)
	@touch $@

$(VENV)/.dev: $(NATIVE) | $(VENV)/bin/python
	@echo "edgefer: building into $(VENV) with the test tools (about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@$(COMPILE)
	@touch $@ $(VENV)/.demo

$(VENV)/.train: $(VENV)/.dev
	@echo "edgefer: installing the training tools into $(VENV) (several minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,train,search]'
	@touch $@

$(VENV)/.wheels: $(VENV)/.dev
	@echo "edgefer: installing a cross compiler into $(VENV) (100 MB)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,wheels]'
	@touch $@

$(VENV)/bin/python:
	@PYTHON=$(PYTHON) sh tests/device/check_build_tools.sh
	@$(PYTHON) -m venv $(VENV)
