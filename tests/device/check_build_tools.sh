#!/bin/sh
# Says in one line what a machine lacks to build edgefer, and how to install it. PYTHON names the interpreter.
PYTHON=${PYTHON:-python3}
install="sudo apt install"

fail() {
	echo "edgefer: $1" >&2
	exit 1
}

command -v "$PYTHON" >/dev/null 2>&1 || fail "no $PYTHON found; to fix: $install python3"
"$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' ||
	fail "Python 3.10 to 3.14 is needed, got $("$PYTHON" -V 2>&1); to fix: make PYTHON=python3.11"
version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null ||
	fail "Python has no venv module; to fix: $install python$version-venv"
command -v "${CXX:-g++}" >/dev/null 2>&1 ||
	fail "no C++ compiler (${CXX:-g++}) found; to fix: $install g++"
header=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
[ -f "$header" ] ||
	fail "the Python headers are missing ($header); to fix: $install python$version-dev"
printf '#include <linux/videodev2.h>\n' | "${CXX:-g++}" -E -x c - >/dev/null 2>&1 ||
	fail "linux/videodev2.h is missing, which cameras need; to fix: $install linux-libc-dev"
