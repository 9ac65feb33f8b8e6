"""The native build; everything else about the package stands in pyproject.toml."""

from glob import glob

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup

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


ParallelCompile("EDGEFER_BUILD_JOBS", default=0).install()
setup(ext_modules=[kernels])
