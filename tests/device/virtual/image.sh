#!/bin/sh
# Build the system of the virtual device: a small Debian with systemd, a kernel with the test driver `vivid`, Python and a
# broker, started with a root shell on its serial line. Prints the folder that holds disk.img, vmlinuz,
# initrd.img, and in `python` the version of its Python.
#
#   sh tests/device/virtual/image.sh [amd64|arm64]
#
# Needs root, debootstrap and mkfs.ext4, a C compiler, and Debian's packages. The folder is build/device/NAME, its name made
# of what the image is made of, so that it is built again when that changes and at no other time. RELEASE chooses the
# release of Debian, by default this machine's own: what is compiled here runs there.
# For arm64 the packages are configured in the emulated machine itself, by its first start.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."

arch=${1:-amd64}
release=${RELEASE:-$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)}
packages=systemd,systemd-sysv,udev,dbus,libnss-systemd,kmod,iproute2,v4l-utils,python3,python3-venv,mosquitto,mosquitto-clients,curl,linux-image-$arch
case $arch in
amd64) serial=ttyS0 compiler=cc ;;
arm64) serial=ttyAMA0 compiler=aarch64-linux-gnu-gcc ;;
*) echo "image: unknown architecture $arch; known: amd64, arm64" >&2; exit 2 ;;
esac
fail() { echo "image: $*" >&2; exit 1; }
for tool in debootstrap mkfs.ext4 $compiler; do
  PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || fail "no $tool; install debootstrap, e2fsprogs and a C compiler"
done
[ "$(id -u)" -eq 0 ] || fail "debootstrap needs root; run it as root or with sudo"
PATH=$PATH:/usr/sbin:/sbin

recipe=$(cat "$here/image.sh" "$here/init.c" "$here/initrd.py" | sha256sum | cut -c1-12)
out=$PWD/build/device/$release-$arch-$recipe
[ -f "$out/disk.img" ] && { echo "$out"; exit; }

work=$out.work
root=$work/root
# debootstrap mounts the kernel's files there, and one that was killed leaves them mounted: nothing is removed through them.
clear_work() {
  awk -v under="$work/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount -l
  rm -rf --one-file-system "$work"
}
clear_work
mkdir -p "$work" build/device/packages
trap clear_work EXIT
trap 'exit 1' HUP INT TERM

foreign=
[ "$arch" = "$(dpkg --print-architecture)" ] || foreign=--foreign
debootstrap $foreign --arch="$arch" --variant=minbase --cache-dir="$PWD/build/device/packages" --include="$packages" \
  "$release" "$root" >"$work/log" 2>&1 || {
  tail -3 "$work/log" >&2
  ! grep -q 'Failed getting release file' "$work/log" || exit 4 # no network
  fail "debootstrap failed"
}

if [ "$foreign" ]; then # what the first start needs, and python3's link, for its version
  [ ! -L "$root/proc" ] || { rm "$root/proc"; mkdir "$root/proc"; } # so debootstrap leaves it, run in a container
  for package in "$root"/var/cache/apt/archives/linux-image-*.deb "$root"/var/cache/apt/archives/python3-minimal_*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$root"
  done
fi

cp "$root"/boot/vmlinuz-* "$work/vmlinuz"
readlink "$root/usr/bin/python3" | sed 's/python//' >"$work/python"
$compiler -static -O1 "$here/init.c" -o "$work/init" || fail "$compiler could not link a static program"
python3 "$here/initrd.py" "$root" "$work/init" "$work/initrd.img"
[ "$foreign" ] || chroot "$root" depmod "$(ls "$root/lib/modules")"

# A root shell on the serial line, and none of what a device at rest does now and then.
mkdir -p "$root/etc/systemd/system"
cat >"$root/etc/systemd/system/serial-shell.service" <<UNIT
[Unit]
Description=A root shell on the serial line
After=basic.target
[Service]
ExecStart=/bin/bash --noprofile --norc
Environment=HOME=/root TERM=dumb
WorkingDirectory=/root
StandardInput=tty
StandardOutput=tty
TTYPath=/dev/$serial
TTYReset=yes
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
UNIT
units=$root/etc/systemd/system
mkdir -p "$units/multi-user.target.wants"
ln -sf ../serial-shell.service "$units/multi-user.target.wants/serial-shell.service"
for unit in getty.target serial-getty@$serial.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
  e2scrub_all.timer e2scrub_reap.service fstrim.timer mosquitto.service; do
  ln -sf /dev/null "$units/$unit"
done
echo device >"$root/etc/hostname"
printf '127.0.0.1 localhost device\n' >"$root/etc/hosts"
mkdir -p "$root/var/log/journal" # kept over a power cut
rm -rf "$root"/boot/* "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/*
if [ "$foreign" ]; then
  cat >"$root/usr/sbin/init" <<'INIT' # until the package of the real one is unpacked over it
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive INITRD=No # initramfs takes longest and is not used
mount -t proc proc /proc
mount -t sysfs sys /sys
/debootstrap/debootstrap --second-stage || tail -n 20 /debootstrap/debootstrap.log
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
sync
mountpoint -q /proc || mount -t proc proc /proc
echo o >/proc/sysrq-trigger
sleep 60
INIT
  chmod +x "$root/usr/sbin/init"
else
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
fi

truncate -s 3G "$work/disk.tmp"
mkfs.ext4 -q -E lazy_itable_init=1,lazy_journal_init=1 -O ^metadata_csum_seed -d "$root" "$work/disk.tmp"
rm -rf --one-file-system "$root" "$work/init"
if [ "$foreign" ]; then
  qemu-system-aarch64 -machine virt -cpu cortex-a72 -accel tcg,thread=multi -smp 2 -m 2048 -display none -monitor none \
    -serial stdio -nic none -no-reboot -kernel "$work/vmlinuz" -initrd "$work/initrd.img" \
    -append "root=/dev/vda rw console=$serial loglevel=3 panic=-1" -drive "file=$work/disk.tmp,if=virtio,format=raw" \
    </dev/null >>"$work/log" 2>&1 || fail "qemu-system-aarch64 failed; install qemu-system-arm"
  grep -q 'Base system installed successfully' "$work/log" || { tail -30 "$work/log" >&2; fail "the packages could not be configured"; }
fi
mkdir -p "$out"
mv "$work/vmlinuz" "$work/initrd.img" "$work/python" "$work/log" "$out/"
mv "$work/disk.tmp" "$out/disk.img" # the last: the image is there or it is not
echo "$out"
