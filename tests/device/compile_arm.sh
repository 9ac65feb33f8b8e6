#!/bin/sh
# Compile the library and the extension for aarch64 into build/arm, warnings as errors.
# Needs any Python 3.10+ with its headers (PYTHON) and a cross compiler: CXX_ARM, by default aarch64-linux-gnu-g++; its
# libraries serve CXX_ARM="clang++ --target=aarch64-linux-gnu" too.
set -u
cd "$(dirname "$0")/../.." || exit 1

compiler=${CXX_ARM:-aarch64-linux-gnu-g++}
python=${PYTHON:-python3}
command -v "${compiler%% *}" >/dev/null || { echo "compile_arm: no $compiler; install g++-aarch64-linux-gnu" >&2; exit 1; }

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
[ -f "$headers/Python.h" ] || { echo "compile_arm: no $headers/Python.h; install python3-dev" >&2; exit 1; }

# The headers of pybind11: those of the Python at hand, else fetched for the occasion.
if ! pybind=$("$python" -c 'import pybind11; print(pybind11.get_include())' 2>/dev/null); then
  "$python" -m pip install --quiet --disable-pip-version-check --target "$work/pybind11" 'pybind11>=2.12' || exit 1
  pybind=$work/pybind11/pybind11/include
fi

# Debian's pyconfig.h forwards to a folder named after the architecture. Both architectures are LP64 and
# little-endian: the local one serves for a compilation that is not run.
version=$(basename "$headers")
machine=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("MULTIARCH") or "")')
if [ -n "$machine" ] && [ -f "$(dirname "$headers")/$machine/$version/pyconfig.h" ]; then
  mkdir -p "$work/aarch64-linux-gnu/$version"
  cp "$(dirname "$headers")/$machine/$version/pyconfig.h" "$work/aarch64-linux-gnu/$version/"
fi

make --no-print-directory BUILD=build/arm CXX="$compiler" OPTIMISE="-O3 -Werror" \
  INCLUDES="-isystem $work -isystem $headers -isystem $pybind" library build/arm/edgefer/_kernels.so build/arm/edgefer/sources/camera/_v4l2.so
