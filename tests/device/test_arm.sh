#!/bin/sh
# Run the kernel tests, one clip through the whole pipeline and the networks on some faces on emulated ARM processors,
# all of them at once.
#
# Everything lies in .arm/ (about 700 MB): a root of the ARM packages of this machine's own release with its python3,
# ARM wheels in the versions of PYTHON's own, the kernels cross-compiled. Needs Debian, root for chroot, and PYTHON with
# the development packages and the extension built; installs the cross compiler and qemu. The log of a processor is
# .arm/<processor>.log.
# CPUS="cortex-a72 cortex-a76" chooses processors, IMAGES=200 how many faces; arguments are test files, by default those
# of the kernels.
set -eu
cd "$(dirname "$0")/../.."

cpus=${CPUS:-cortex-a53 cortex-a72 cortex-a76}
IMAGES=${IMAGES:-40} # 200 take minutes
python=${PYTHON:-python3}
triple=aarch64-linux-gnu
fail() { echo "test_arm: $*" >&2; exit 1; }
. tests/device/root.sh

# ---------------------------------------------------------------------------------------------------- the tools

[ "$(id -u)" -eq 0 ] || fail "chroot needs root; run it as root or with sudo"
command -v apt-get >/dev/null || fail "the ARM packages are Debian's; use it, or a container of it"
missing=
command -v $triple-g++ >/dev/null || missing="$missing g++-aarch64-linux-gnu"
command -v qemu-aarch64-static >/dev/null || missing="$missing qemu-user-static"
command -v make >/dev/null || missing="$missing make"
if [ -n "$missing" ]; then
  echo "test_arm: installing$missing"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } \
    >/dev/null || fail "apt-get could not install$missing"
fi

# --------------------------------------------------------------------------------------- the root of the processors

root=$PWD/.arm/root
site=$root/opt/site
house=$root/opt/edgefer
mkdir -p .arm

# make_once STAMP TEXT FUNCTION: the function runs unless it ran before with the same text.
make_once() {
  [ "$(cat ".arm/$1" 2>/dev/null)" = "$2" ] && return
  rm -f ".arm/$1"
  $3
  echo "$2" >".arm/$1"
}

# By names that every release has; apt knows what they depend on there.
packages="python3 libpython3-dev libstdc++6"
build_arm_root() {
  echo "test_arm: fetching ARM packages"
  build_root "$(own_release)" arm64 "$root" "$packages"
  # test_c_api.py builds the library and preprocesses its header. Here both are brought along.
  printf '#!/usr/bin/python3\n' >"$root/usr/bin/make"
  printf '#!/usr/bin/python3\nprint(open("/opt/edgefer/build/edgefer.i").read())\n' >"$root/usr/bin/cc"
  chmod +x "$root/usr/bin/make" "$root/usr/bin/cc"
}

wheels="numpy opencv-python-headless ai-edge-litert msgspec rich matplotlib av cffi pytest pytest-benchmark pybind11"
build_site() {
  echo "test_arm: fetching ARM wheels"
  rm -rf .arm/wheels "$site"
  "$python" -m pip download -qq --disable-pip-version-check --dest .arm/wheels --constraint .arm/versions \
    --only-binary=:all: --python-version "$version" --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
    --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 $wheels || fail "pip could not download the ARM wheels"
  mkdir -p "$site"
  for wheel in .arm/wheels/*.whl; do "$python" -m zipfile -e "$wheel" "$site"; done
  rm -rf .arm/wheels
}

make_once root.done "$packages of $(own_release)" build_arm_root
version=$(readlink "$root/usr/bin/python3" | sed 's/python//')
# Not every release of a package is made for two Pythons: where PYTHON is another than the root's, only the packages
# whose arithmetic is compared have one version.
same=.
[ "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "$version" ] || same='^ai-edge-litert=\|^opencv-python-headless='
"$python" -m pip freeze --disable-pip-version-check --exclude-editable | grep "$same" >.arm/versions
make_once site.done "$(cat .arm/root.done .arm/versions) $wheels" build_site

# -------------------------------------------------------------------------------------------------- what is tested

echo "test_arm: compiling"
headers="-isystem $site/pybind11/include -isystem $root/usr/include/python$version -isystem $root/usr/include"
make --silent -j"$(nproc)" BUILD=.arm/build CXX=$triple-g++ OPTIMISE="-O3 -Werror" INCLUDES="$headers" \
  library .arm/build/edgefer/_kernels.so || fail "the kernels do not compile"

echo "test_arm: the square root of shi_tomasi, float by float"
$triple-g++ -O3 -std=c++17 -ffp-contract=off -Icsrc -static tests/device/root_neon.cpp csrc/corners/shi_tomasi_walk.cpp -o .arm/root_neon ||
  fail "root_neon.cpp does not compile"
qemu-aarch64-static .arm/root_neon || fail "a root differs"

rm -rf "$house"
mkdir -p "$house/build"
cp -r edgefer tests csrc docs firmware_configs pyproject.toml "$house/"
rm -f "$house"/edgefer/*.so
cp .arm/build/edgefer/_kernels.so "$house/edgefer/_kernels.so"
cp .arm/build/libedgefer.so.1 "$house/build/libedgefer.so"
sed 's/#include <.*>//' csrc/c/edgefer.h | cc -E -P - >"$house/build/edgefer.i"

echo "test_arm: one clip on this machine"
"$python" tests/device/arm_clip.py write "$root/opt/clip.avi"
"$python" -m edgefer run -q --profile generic --source "$root/opt/clip.avi" --output jsonl:.arm/readings.jsonl,append=no

echo "test_arm: $IMAGES faces on this machine"
"$python" tests/device/arm_images.py write "$root/opt/images.npy" "$IMAGES"
"$python" tests/device/arm_images.py read "$root/opt/images.npy" .arm/images.npz

describe "$root" cortex-a53 0xd03
describe "$root" cortex-a72 0xd08
describe "$root" cortex-a76 0xd0b

# ------------------------------------------------------------------------------------------------------------- tests

on() { # on CPU ARGUMENTS: Python on the processor
  cpu=$1
  shift
  python_on "$root" "$cpu" /opt/edgefer:/opt/site "$@"
}

[ $# -gt 0 ] || set -- tests/kernels tests/c
files=$(for test in "$@"; do [ ! -e "$test" ] || echo "/opt/edgefer/$test"; done)

# Left out: qemu does not bound a process's memory, and there is no compiler in the root for programs in C.
left_out=$(for test in \
  kernels/test_variants.py::test_working_memory_that_is_not_there_is_a_memory_error \
  c/test_c_api.py::test_only_the_declared_functions_are_visible \
  c/test_c_api.py::test_a_c_program_finds_the_corners_of_a_square \
  c/test_c_api.py::test_a_wrong_isa_is_one_line_in_a_c_program \
  c/test_c_api.py::test_the_header_is_cxx_too; do echo "--deselect=tests/$test"; done)

test_cpu() {
  status=0
  on "$1" -c 'import edgefer.kernels as k; print("variants:", *sorted({v for op in k.operations() for v in k.variants(op)}))' || status=1
  on "$1" -m pytest -p no:cacheprovider --rootdir /opt/edgefer -c /opt/edgefer/pyproject.toml -rs --durations 15 \
    $left_out $files || status=1
  rm -f "$root/opt/$1.jsonl"
  on "$1" -m edgefer run -q --profile generic --source /opt/clip.avi --output "jsonl:/opt/$1.jsonl" || status=1
  "$python" tests/device/arm_clip.py compare .arm/readings.jsonl "$root/opt/$1.jsonl" || status=1
  rm -f "$root/opt/$1.npz"
  on "$1" /opt/edgefer/tests/device/arm_images.py read /opt/images.npy "/opt/$1.npz" || status=1
  "$python" tests/device/arm_images.py compare .arm/images.npz "$root/opt/$1.npz" || status=1
  return $status
}

echo "test_arm: running on $cpus"
running=
for cpu in $cpus; do
  test_cpu "$cpu" >".arm/$cpu.log" 2>&1 &
  running="$running $!"
done
status=0
for cpu in $cpus; do
  pid=${running# }
  pid=${pid%% *}
  running=${running#" $pid"}
  if wait "$pid"; then
    echo "test_arm: $cpu: $(grep -h -E '^variants|passed|frames agree|images alike' ".arm/$cpu.log" | tr '\n' ';')"
  else
    status=1
    cat ".arm/$cpu.log"
    echo "test_arm: $cpu FAILED" >&2
  fi
done
exit $status
