"""What a run would refuse before it reads anything: by the functions of the run itself, and all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from edgefer import assemble
from edgefer.config import Settings
from edgefer.config.check import Problem, key_name
from edgefer.errors import EdgeferError
from edgefer.recognize.base import require_expression
from edgefer.sources.registry import parse_source
from edgefer.support.toml import Path as KeyPath

if TYPE_CHECKING:
    from edgefer.recognize.base import Recognizer

Value = TypeVar("Value")


def environment() -> Iterator[str]:
    """What is wrong around every profile."""
    try:
        assemble.check_kernels()
    except EdgeferError as error:
        yield str(error)


def refusals(settings: Settings) -> Iterator[Problem]:
    """What a run with these settings would refuse.

    Files of outputs are opened and closed again, and stay as they were. Cameras are not: one may be plugged in later.
    """
    problems: list[Problem] = []

    def tried(path: KeyPath, check: Callable[..., Value], *arguments: object) -> Value | None:
        try:
            return check(*arguments)
        except EdgeferError as error:
            problems.append(Problem(path, str(error).removeprefix(f"{key_name(path)}: ")))
            return None

    tried(("compute", "pin"), assemble.check_processors, settings)
    models = [("recognizer", "models", number) for number in range(len(settings.recognizer.models))]
    opened = [
        tried(key, assemble.open_model, model, settings)
        for key, model in zip(models, settings.recognizer.models, strict=True)
    ]
    recognizers: list[Recognizer] = [each for each in opened if each is not None]
    if len(recognizers) == len(models) > 0:
        tried(("recognizer", "models"), require_expression, recognizers)
    tried(("camera", "device"), _check_source, settings, recognizers)
    tried(("detector", settings.detector_choice.entry.target or "kind"), assemble.open_faces, settings)
    tried(("landmarks", "model"), assemble.open_landmarks, settings, recognizers, settings.outputs)
    for number, output in enumerate(settings.outputs):
        tried(("output", number), assemble.try_output, output, recognizers)
    yield from problems


def _check_source(settings: Settings, recognizers: Sequence[Recognizer]) -> None:
    """Whether the profile's camera can mean a source, what reads it is installed, and the models can judge it."""
    choice = parse_source(str(settings.camera.device), settings.camera)
    choice.entry.maker()  # importing it refuses where its extra is missing
    assemble.check_stills(choice, recognizers)
