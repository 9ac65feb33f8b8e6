#!/bin/sh
# Install the wheel for aarch64 as pip does on a board, and run the demo from it on an emulated Cortex-A72 and A76.
# Needs the root that `make test-arm` has made in .arm/, the wheel of its Python in dist/, and root for chroot.
set -eu
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3}
root=$PWD/.arm/root
fail() { echo "arm_wheel: $*" >&2; exit 1; }
[ -d "$root/opt/site" ] || fail "no .arm/root; make test-arm makes it"
version=$(readlink "$root/usr/bin/python3" | sed 's/python//')
wheel=$(ls -t dist/edgefer-*-cp"$(echo "$version" | tr -d .)"-*aarch64.whl 2>/dev/null | head -1)
[ "$wheel" ] || fail "no wheel for Python $version on aarch64 in dist/; build it with: make wheels"

# What it depends on lies in /opt/site already; whether the wheel's name fits the platform is for pip to say.
rm -rf "$root/opt/wheel"
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --implementation cp \
  --python-version "$version" --platform manylinux_2_28_aarch64 --platform manylinux_2_17_aarch64 \
  --platform manylinux2014_aarch64 --target "$root/opt/wheel" "$wheel" || fail "pip refuses $wheel"

for cpu in cortex-a72 cortex-a76; do
  on() {
    env -i QEMU_CPU=$cpu QEMU_LD_PREFIX=/cpus/$cpu PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 \
      PYTHONPATH=/opt/wheel:/opt/site PYTHONDONTWRITEBYTECODE=1 chroot "$root" /usr/bin/python3 "$@"
  }
  rm -f "$root/tmp/demo.jsonl"
  on -m edgefer models verify >/dev/null || fail "$cpu: models verify"
  on -m edgefer run -q --profile generic --source demo --frames 20 --output jsonl:/tmp/demo.jsonl || fail "$cpu: the demo does not run"
  faces=$(grep -c '"faces":\[{' "$root/tmp/demo.jsonl" || :)
  [ "$faces" -gt 0 ] || fail "$cpu: no face in $(wc -l <"$root/tmp/demo.jsonl") readings"
  echo "arm_wheel: $(basename "$wheel") on $cpu: a face in $faces of $(wc -l <"$root/tmp/demo.jsonl") readings"
done
