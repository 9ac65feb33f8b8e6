# The root of another system, for programs of its Python: sourced by test_arm.sh and wheels.sh, which define fail.
#
#   build_root RELEASE ARCH ROOT PACKAGES
#
# The packages of a release of Debian for an architecture, and what they depend on, unpacked and not configured: enough to
# run what they bring. Lists and a status of their own: the machine's architectures and packages stay what they are.
# Those of ARM run through qemu: Python starts Python by its path, and the system would refuse an ARM program. So in its
# place stands a program of this machine that hands it to qemu, which takes the processor from QEMU_CPU.

build_root() {
  release=$1 arch=$2 root=$3 packages=$4 apt_files=$3.apt
  rm -rf "$root" "$apt_files"
  mkdir -p "$root/tmp" "$root/dev" "$root/usr/lib" "$root/usr/lib64" "$apt_files/lists/partial" "$apt_files/archives/partial" "$apt_files/none"
  apt="apt-get -qq -y -o APT::Architecture=$arch -o APT::Architectures=$arch -o APT::Sandbox::User=root
    -o Dir::State::Lists=$apt_files/lists -o Dir::Cache=$apt_files -o Dir::State::status=/dev/null"
  if [ "$release" != "$(own_release)" ]; then # from where this machine's own packages come from
    site=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -1)
    [ "$site" ] || fail "apt-get has no address of Debian's packages"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $release main" >"$apt_files/sources"
    apt="$apt -o Dir::Etc::SourceList=$apt_files/sources -o Dir::Etc::SourceParts=$apt_files/none"
  fi
  $apt update || fail "apt-get update failed for $release on $arch"
  $apt install --download-only --no-install-recommends $packages >/dev/null || fail "apt-get could not download $packages"
  ln -s usr/lib "$root/lib" # where some packages look and others lie
  ln -s usr/lib64 "$root/lib64"
  for package in "$apt_files"/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$root"
  done
  rm -rf "$apt_files"
  mknod -m 666 "$root/dev/null" c 1 3 2>/dev/null || : >"$root/dev/null"  # where nodes are forbidden, a file serves
  [ "$arch" = arm64 ] || return 0

  cp "$(command -v qemu-aarch64-static)" "$root/qemu"
  arm_python=$(readlink "$root/usr/bin/python3")
  mv "$root/usr/bin/$arm_python" "$root/usr/bin/python3-arm"
  cat >"$root/start.c" <<'C'
#include <unistd.h>
int main(int count, char** arguments) {
  char* all[count + 4];
  all[0] = "/qemu", all[1] = "-0", all[2] = arguments[0], all[3] = "/usr/bin/python3-arm";
  for (int i = 1; i <= count; ++i) all[i + 3] = arguments[i];
  return execv(all[0], all) ? 127 : 0;
}
C
  cc -static -O1 "$root/start.c" -o "$root/usr/bin/$arm_python" || fail "cc could not link a static program; install libc6-dev"
  rm "$root/start.c"
}

own_release() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# XNNPACK does not start unless it can read which processor there is; LiteRT then computes with kernels of its own and
# says nothing. qemu opens these files in the place of those they are named after.
describe() { # describe ROOT CPU PART: the part number as in the processor's MIDR_EL1
  mkdir -p "$1/cpus/$2/proc" "$1/cpus/$2/sys/devices/system/cpu"
  for list in possible present; do echo 0 >"$1/cpus/$2/sys/devices/system/cpu/$list"; done
  printf 'processor: 0\nCPU implementer: 0x41\nCPU architecture: 8\nCPU part: %s\n' "$3" >"$1/cpus/$2/proc/cpuinfo"
}

# python_on ROOT CPU PATHS ARGUMENTS: the root's Python, with modules from PATHS: on an emulated processor of ARM, or on
# this machine's, "native", which then has its files in /proc and /sys.
python_on() {
  root_of=$1 cpu=$2 paths=$3
  shift 3
  set -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 PYTHONPATH="$paths" PYTHONDONTWRITEBYTECODE=1 \
    QEMU_CPU="$cpu" QEMU_LD_PREFIX="/cpus/$cpu" chroot "$root_of" /usr/bin/python3 "$@"
  if [ "$cpu" = native ]; then
    mkdir -p "$root_of/proc" "$root_of/sys"
    unshare --mount sh -c 'mount --bind /proc "$0/proc" && mount --bind /sys "$0/sys" && exec "$@"' "$root_of" "$@"
  else
    "$@"
  fi
}
