#!/bin/sh
# Run the kernel tests on an emulated aarch64 CPU, without and with the dot-product instructions.
# Everything lies in .arm/ (about 400 MB): a root of Debian's ARM packages, ARM wheels, the extension cross-compiled.
# Needs Debian bookworm with `dpkg --add-architecture arm64`, qemu-user-static, g++-aarch64-linux-gnu, and root for chroot.
# CPUS="cortex-a72 cortex-a76" chooses the models; arguments are test files, by default those of the kernels.
set -eu
cd "$(dirname "$0")/../.."

cpus=${CPUS:-cortex-a72 cortex-a76}
python=${PYTHON:-python3}
compiler=${CXX_ARM:-aarch64-linux-gnu-g++}
need() { command -v "$1" >/dev/null || { echo "kernels_arm: no $1; install $2" >&2; exit 1; }; }
need "$compiler" g++-aarch64-linux-gnu
need qemu-aarch64-static qemu-user-static
[ "$(id -u)" -eq 0 ] || { echo "kernels_arm: chroot needs root" >&2; exit 1; }

root=$PWD/.arm/root
site=$root/opt/site

if [ ! -f .arm/root.done ]; then
  rm -rf .arm/packages "$root"
  mkdir -p .arm/packages "$root"
  packages="libc6 libstdc++6 libgcc-s1 zlib1g libexpat1 libssl3 libffi8 libbz2-1.0 liblzma5 libsqlite3-0 libuuid1
    libcrypt1 libdb5.3 libpython3.11-minimal libpython3.11-stdlib python3.11-minimal libpython3.11-dev libpython3.11"
  (cd .arm/packages && for package in $packages; do apt-get download -q "$package:arm64"; done)
  for package in .arm/packages/*.deb; do dpkg -x "$package" "$root"; done
  cp "$(command -v qemu-aarch64-static)" "$root/"
  mkdir -p "$root/tmp" "$root/dev"
  mknod -m 666 "$root/dev/null" c 1 3
  mknod -m 666 "$root/dev/urandom" c 1 9
  touch .arm/root.done
fi

if [ ! -f .arm/site.done ]; then
  rm -rf .arm/wheels "$site"
  mkdir -p .arm/wheels "$site"
  "$python" -m pip download --quiet --disable-pip-version-check --dest .arm/wheels --only-binary=:all: --python-version 3.11 \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_17_aarch64 \
    --platform manylinux2014_aarch64 --platform any \
    numpy 'opencv-python-headless>=4.8,<5' ai-edge-litert pytest pytest-benchmark pybind11 msgspec
  for wheel in .arm/wheels/*.whl; do "$python" -m zipfile -e "$wheel" "$site"; done
  touch .arm/site.done
fi

echo "kernels_arm: compiling"
headers=$root/usr/include/python3.11
"$compiler" -shared -fPIC -fvisibility=hidden -O3 -std=c++17 -Wall -Wextra -ffp-contract=off \
  -Icsrc -isystem "$site/pybind11/include" -isystem "$headers" -isystem "$root/usr/include" \
  csrc/*.cpp -o .arm/_kernels.cpython-311-aarch64-linux-gnu.so

rm -rf "$root/opt/edgefer"
mkdir -p "$root/opt/edgefer"
cp -r edgefer tests pyproject.toml "$root/opt/edgefer/"
rm -f "$root"/opt/edgefer/edgefer/*.so
cp .arm/_kernels.cpython-311-aarch64-linux-gnu.so "$root/opt/edgefer/edgefer/"

# Left out: the tests that start another interpreter, which a chroot without binfmt cannot, and the one that
# bounds the memory of the process, which user-mode emulation does not enforce.
left_out='not forced_variant and not without_force and not false_name and not lacks_fails and not importing and not working_memory'
[ $# -gt 0 ] || set -- tests/test_kernels.py tests/test_kernels_resize.py tests/test_kernels_nn.py
tests=$(for test in "$@"; do echo "/opt/edgefer/$test"; done)
status=0
for cpu in $cpus; do
  echo "kernels_arm: $cpu"
  chroot "$root" /qemu-aarch64-static -cpu "$cpu" -E PYTHONPATH=/opt/edgefer:/opt/site -E PYTHONDONTWRITEBYTECODE=1 \
    -E HOME=/tmp /usr/bin/python3.11 -m pytest -p no:cacheprovider --rootdir /opt/edgefer \
    -c /opt/edgefer/pyproject.toml -k "$left_out" $tests || status=1
done
exit $status
