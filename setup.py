"""The native build; everything else about the package stands in pyproject.toml."""

import os
from glob import glob

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup
from setuptools.command.build_py import build_py

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


class BuildWithProfiles(build_py):
    """Copies the boards' profiles into the package; an editable install finds them where they are."""

    def run(self):
        super().run()
        if not self.editable_mode:
            for path in sorted(glob("firmware_configs/*.toml")):
                target = os.path.join(self.build_lib, "edgefer", "profiles", os.path.basename(path))
                self.mkpath(os.path.dirname(target))
                self.copy_file(path, target)


ParallelCompile("EDGEFER_BUILD_JOBS", default=0).install()
setup(ext_modules=[kernels], cmdclass={"build_py": BuildWithProfiles})
