#!/bin/sh
# Run the model tests on tflite-runtime with NumPy 1, the alternative for boards that have no LiteRT wheel.
#
#   sh tests/device/alternative_runtime.sh [PYTHON]
#
# tflite-runtime has wheels up to Python 3.11: where PYTHON is newer, the first of python3.11 and python3.10 that runs is
# used, and where there is none, as on Debian 13, the tests are skipped. WHEEL names a wheel of edgefer to install where
# it is made for that Python; by default one is built.
# The same steps install edgefer on such a board: --no-deps keeps pip from bringing ai-edge-litert and NumPy 2.
set -eu
cd "$(dirname "$0")/../.."

for python in "${1:-python3}" python3.11 python3.10 ""; do
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
  case $version in 3.10 | 3.11) break ;; esac
done
if [ -z "$python" ]; then
  echo "alternative_runtime: skipped: tflite-runtime needs Python 3.10 or 3.11, and neither is here"
  exit
fi

venv=.venv-alternative-$version
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
# OpenCV 4.12 and later ask for NumPy 2; msgspec and rich are edgefer's own, tomli is for Python 3.10
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  'numpy<2' 'opencv-python-headless>=4.8,<4.12' tflite-runtime 'msgspec>=0.18' 'rich>=13' tomli \
  'matplotlib>=3.7' 'jsonschema>=4' 'pytest>=8'
case ${WHEEL:-} in *-cp"${version%.*}${version#*.}"-*) ;; *) WHEEL=. ;; esac
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$WHEEL"

cd tests # so that the installed package is imported, not the folder beside it
"../$venv/bin/python" -c '
import numpy
from edgefer.models.runtime import NAME
assert NAME == "tflite-runtime", NAME
assert numpy.__version__.startswith("1."), numpy.__version__
print(f"edgefer on {NAME} with NumPy {numpy.__version__}")
'
"../$venv/bin/pytest" models preprocess recognize \
  measure/test_datasets.py measure/test_evaluate.py
