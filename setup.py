"""The native build; everything else about the package stands in pyproject.toml."""

import os
import sys
import sysconfig
from glob import glob
from zlib import crc32

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

# No -march: one wheel serves every CPU of its architecture; csrc/core/dispatch.cpp picks variants later.
# No fused multiply-add behind our back: every variant must round like the scalar code.
KERNEL_FLAGS = ["-O3", "-std=c++17", "-Wall", "-Wextra", "-ffp-contract=off"]

# csrc/c/ is for programs without Python; `make library` builds it.
kernels = Pybind11Extension(
    "edgefer._kernels",
    sorted(set(glob("csrc/*/*.cpp")) - set(glob("csrc/c/*.cpp"))),
    depends=sorted(glob("csrc/*/*.h")),
    include_dirs=["csrc"],
    cxx_std=17,
    extra_compile_args=KERNEL_FLAGS,
)


class BuildOnce(build_ext):
    """Keeps the objects where the editable install, the wheel and the next set of packages find them."""

    def finalize_options(self):
        compiler = "".join(os.environ.get(name, "") for name in ("CC", "CXX", "CFLAGS", "CXXFLAGS"))
        folder = f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}-{crc32(compiler.encode()):08x}"
        self.build_temp = os.path.join("build", "extension", folder)
        super().finalize_options()

    def build_extension(self, extension):
        try:
            super().build_extension(extension)
        except CompileError:
            if extension.name == CAMERAS and not self.has_header("linux/videodev2.h"):
                sys.exit("edgefer: no linux/videodev2.h, which cameras need; to fix: sudo apt install linux-libc-dev")
            raise

    def has_header(self, name):
        os.makedirs(self.build_temp, exist_ok=True)
        probe = os.path.join(self.build_temp, "probe.c")
        with open(probe, "w") as file:
            file.write(f"#include <{name}>\n")
        try:
            self.compiler.preprocess(probe, os.path.join(self.build_temp, "probe.i"))
        except CompileError:
            return False
        return True


def outdated(made: str, source: str) -> bool:
    """All objects are made again where any file they may include is newer: no #include line is read here."""
    return not os.path.exists(made) or os.path.getmtime(made) <= max(NEWEST, os.path.getmtime(source))


CAMERAS = "edgefer.sources.camera._v4l2"  # cffi writes its one source, of v4l2.h and v4l2.c, where they have changed
NEWEST = max(map(os.path.getmtime, ["setup.py", *glob("csrc/**/*.*", recursive=True)]))
ParallelCompile("EDGEFER_BUILD_JOBS", default=0, needs_recompile=outdated).install()
setup(
    ext_modules=[kernels], cffi_modules=["edgefer/sources/camera/v4l2_build.py:ffi"], cmdclass={"build_ext": BuildOnce}
)
