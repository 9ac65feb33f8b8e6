"""The Python packages that edgefer stands on: what each is for, and which version is there."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from typing import NamedTuple

from edgefer.errors import UsageError


class Package(NamedTuple):
    """A package by its module, which is what a program imports: distributions of several names bring the same.

    Attributes:
        module: what is imported.
        title: what people call it.
        extra: the extra of edgefer that installs it; empty where edgefer does.
        purpose: what does not work without it.
        quick: whether it is quick to import.
    """

    module: str
    title: str
    extra: str = ""
    purpose: str = ""
    quick: bool = True


REQUIRED = (Package("numpy", "NumPy"), Package("cv2", "OpenCV"), Package("msgspec", "msgspec"), Package("rich", "rich"))
#: Either of them runs the networks.
RUNTIMES = (Package("ai_edge_litert", "LiteRT"), Package("tflite_runtime", "tflite-runtime"))
OPTIONAL = (
    Package("av", "PyAV", "film", "films and network streams"),
    Package("pillow_heif", "pillow-heif", "heif", "photographs in HEIC and AVIF"),
    Package("nacl", "PyNaCl", "sign", "signed models"),
    Package("pyarrow", "PyArrow", "parquet", "Parquet files", False),
    Package("paho", "paho-mqtt", "mqtt", "the output mqtt"),
    Package("prometheus_client", "prometheus-client", "metrics", "the output metrics", False),
    Package("uvicorn", "Uvicorn", "web", "the output web", False),
    Package("starlette", "Starlette", "web", "the output web", False),
    Package("matplotlib", "Matplotlib", "demo", "the portrait of the demo", False),
    Package("keras", "Keras", "train", "training and `edgefer explain`", False),
)


def version_of(package: Package) -> str | None:
    """The version of a module as it says itself, else that of the distribution which brought it.

    Returns:
        None where there is no such module; "broken: …" where it is there and cannot be imported.
    """
    try:
        if importlib.util.find_spec(package.module) is None:
            return None
        imported = importlib.import_module(package.module) if package.quick else None
    except Exception as error:  # a library of its own is missing, or made for another processor
        return f"broken: {' '.join(str(error).split())}"
    version = getattr(imported, "__version__", None)
    if isinstance(version, str):
        return version
    names = importlib.metadata.packages_distributions().get(package.module, [])
    return importlib.metadata.version(names[0]) if names else "of unknown version"


def require(module: str) -> None:
    """Raises UsageError where an optional package is not there."""
    (package,) = [each for each in OPTIONAL if each.module == module]
    if importlib.util.find_spec(module) is None:
        raise UsageError(f"{package.title} is {missing(package)}")


def missing(package: Package) -> str:
    """What is said of a package that is not there."""
    return f"not installed, which is needed for {package.purpose}: pip install 'edgefer[{package.extra}]'"
