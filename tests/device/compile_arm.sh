#!/bin/sh
# Compile csrc/*/*.cpp for aarch64, warnings as errors; exits non-zero when a file does not compile.
# Needs any Python 3.10+ with its headers (PYTHON) and a cross compiler: CXX_ARM, by default aarch64-linux-gnu-g++; its
# libraries serve CXX_ARM="clang++ --target=aarch64-linux-gnu" too.
# KEEP=folder keeps the object files there, for llvm-mca or for linking against an ARM Python.
set -u
cd "$(dirname "$0")/../.." || exit 1

compiler=${CXX_ARM:-aarch64-linux-gnu-g++}
python=${PYTHON:-python3}
command -v "${compiler%% *}" >/dev/null || { echo "compile_arm: no $compiler; install g++-aarch64-linux-gnu" >&2; exit 1; }

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
objects=${KEEP:-$work}
mkdir -p "$objects"

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

failed=0
for source in csrc/*/*.cpp; do
  object=$objects/${source#csrc/}
  mkdir -p "$(dirname "$object")"
  $compiler -O3 -std=c++17 -Wall -Wextra -Werror -ffp-contract=off -fPIC -fvisibility=hidden -DNDEBUG \
    -Icsrc -isystem "$work" -isystem "$headers" -isystem "$pybind" \
    -c "$source" -o "${object%.cpp}.o" || { echo "compile_arm: $source failed" >&2; failed=1; }
done
[ $failed -eq 0 ] && echo "compile_arm: $(ls csrc/*/*.cpp | wc -l) files compile for aarch64"
exit $failed
