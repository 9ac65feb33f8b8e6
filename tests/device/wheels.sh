#!/bin/sh
# Install a wheel of dist/ as pip does, with what it depends on, and run the demo from it: in a root of a release of Debian
# with that release's Python, natively or on an emulated Cortex-A72 and A76.
#
#   PYTHON=.venv/bin/python sh tests/device/wheels.sh bookworm-amd64 trixie-arm64 ...
#
# Needs Debian, root for chroot, and the wheels (make wheels). The roots lie in build/roots and are made once.
set -eu
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3}
fail() { echo "wheels: $*" >&2; exit 1; }
. tests/device/root.sh
[ "$(id -u)" -eq 0 ] || fail "chroot needs root; run it as root or with sudo"

# A compiler may leave the fast kernels out, or what finds out whether the processor can run them.
best='import edgefer.kernels as k; print(*(f"{op}:{k.variants(op)[0]}" for op in k.operations()))'

# check SYSTEM: RELEASE-ARCH
check() {
  release=${1%-*} arch=${1#*-} root=$PWD/build/roots/$1
  case $arch in
  amd64) machine=x86_64 cpus=native ;;
  arm64) machine=aarch64 cpus="cortex-a72 cortex-a76"
    command -v qemu-aarch64-static >/dev/null || fail "no qemu-aarch64-static; install qemu-user-static" ;;
  *) fail "$1: unknown architecture; known: amd64, arm64" ;;
  esac
  if [ ! -f "$root.done" ]; then
    build_root "$release" "$arch" "$root" "python3 libstdc++6"
    describe "$root" cortex-a72 0xd08
    describe "$root" cortex-a76 0xd0b
    : >"$root.done"
  fi
  version=$(readlink "$root/usr/bin/python3" | sed 's/python//')
  wheel=$(ls -t dist/edgefer-*-cp"$(echo "$version" | tr -d .)"-*"$machine".whl 2>/dev/null | head -1)
  [ "$wheel" ] || fail "$1: no wheel for Python $version on $machine in dist/; build it with: make wheels"

  # whether the wheels' names fit the platform is for pip to say
  platforms=$(for glibc in 2_34 2_28 2_27 2_17; do echo "--platform manylinux_${glibc}_$machine"; done)
  rm -rf "$root/opt/wheel"
  "$python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: --implementation cp --no-compile \
    --python-version "$version" $platforms --platform manylinux2014_"$machine" --target "$root/opt/wheel" \
    "${wheel}[demo]" || fail "$1: pip refuses $wheel"

  for cpu in $cpus; do
    on() { python_on "$root" "$cpu" /opt/wheel "$@"; }
    kernels=$(on -c "$best")
    case $cpu:$kernels in
    native:*) [ "$kernels" = "$("$python" -c "$best")" ] || fail "$1: not the kernels that run here: $kernels" ;;
    *:scalar*) fail "$1, $cpu: kernels without SIMD: $kernels" ;;
    esac
    rm -f "$root/tmp/demo.jsonl"
    on -m edgefer models verify >/dev/null || fail "$1, $cpu: models verify"
    on -m edgefer run -q --profile generic --source demo --frames 20 --output jsonl:/tmp/demo.jsonl || fail "$1, $cpu: the demo does not run"
    faces=$(grep -c '"faces":\[{' "$root/tmp/demo.jsonl" || :)
    [ "$faces" -gt 0 ] || fail "$1, $cpu: no face in $(wc -l <"$root/tmp/demo.jsonl") readings"
    echo "wheels: $1, $cpu: $(basename "$wheel"): a face in $faces of $(wc -l <"$root/tmp/demo.jsonl") readings"
  done
}

[ $# -gt 0 ] || fail "no system; as: sh tests/device/wheels.sh bookworm-amd64"
mkdir -p build/roots
for system in "$@"; do check "$system"; done
