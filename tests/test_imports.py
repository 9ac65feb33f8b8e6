"""The plan of the house: the direction of imports, the size of rooms, and what a fresh interpreter loads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "edgefer"

# The rooms from the ground floor up; a module may import from its own room and from those before it.
ROOMS = [
    {"_kernels", "errors"},
    {"__init__", "kernels", "labels", "geometry", "values", "defaults"},
    {"support"},
    {"models"},
    {"preprocess"},
    {"sources"},
    {"landmarks"},
    {"detect"},
    {"track"},
    {"recognize"},
    {"loop"},
    {"sinks"},
    {"config"},
    {"device"},
    {"measure"},
    {"assemble"},
    {"reader"},
    {"annotate"},
    {"commands"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(ROOMS) for name in names}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(tree: ast.Module, package: list[str]) -> list[str]:
    """Every module or name that a file imports anywhere, lazily too, with its full path."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names += [f"{module}.{alias.name}" for alias in node.names]
    return names


def imported_rooms(path: Path) -> set[str]:
    """First parts of the edgefer modules that a file imports."""
    package = ["edgefer", *path.relative_to(PACKAGE).parent.parts]
    rooms = set()
    for name in imported_modules(ast.parse(path.read_text()), package):
        parts = name.split(".")
        if parts[0] == "edgefer" and len(parts) > 1:
            rooms.add(parts[1] if (PACKAGE / parts[1]).exists() or parts[1] in RANK else "__init__")
            if (PACKAGE / f"{parts[1]}.py").exists():
                rooms.add(parts[1])
    return {room for room in rooms if room in RANK or (PACKAGE / room).is_dir()}


FILES = sorted(path for path in PACKAGE.rglob("*.py") if room_of(path) != "train")
#: The front door names what is behind it, for type checkers and lazily; all others keep to the direction.
FRONT_DOOR = PACKAGE / "__init__.py"
TRAINING = sorted((PACKAGE / "train").rglob("*.py"))
#: The one room that may look into train/, lazily.
KNOWS_TRAINING = PACKAGE / "commands"
#: train/ itself may look into the rooms up to recognize/, and into measure/.
OPEN_TO_TRAINING = {name for name, rank in RANK.items() if rank <= RANK["recognize"]} | {"measure", "train"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in FILES if path != FRONT_DOOR], ids=named)
def test_imports_point_one_way(path):
    """A room knows only the rooms before it, and none knows `train` but the command that explains a run."""
    room = room_of(path)
    assert room in RANK, f"{room} has no place in the direction of imports; give it one in this test"
    for other in imported_rooms(path):
        if other == "train":
            assert path.parent == KNOWS_TRAINING, f"{path.name} imports train"
            continue
        assert RANK[other] <= RANK[room], f"{room} imports {other}, which stands further right"


@pytest.mark.parametrize("path", sorted((PACKAGE / "models").glob("*.py")), ids=named)
def test_reading_a_model_knows_nothing_of_how_it_got_here(path):
    """Whatever opens a model needs its slot and its signature, and nothing that fetches, installs or signs one."""
    names = imported_modules(ast.parse(path.read_text()), ["edgefer", "models"])
    assert not [name for name in names if name.startswith("edgefer.models.field")]


@pytest.mark.parametrize("path", TRAINING, ids=named)
def test_training_looks_no_further_than_recognize_and_measure(path):
    assert imported_rooms(path) <= OPEN_TO_TRAINING | {"__init__"}


@pytest.mark.parametrize("path", [*FILES, *TRAINING], ids=named)
def test_the_package_reaches_for_nothing_outside_itself(path):
    """tools, tests and bench are this repository's; a wheel has none of them, nor a root to look into."""
    text = path.read_text()
    imported = {name.split(".")[0] for name in imported_modules(ast.parse(text), [])}
    assert not imported & {"tools", "bench", "tests"}
    depth = len(path.relative_to(ROOT).parts) - 1  # folders between the file and the root
    outside = [f".parents[{n}]" for n in range(depth, depth + 3)] + [".parent" * (depth + 1)]
    assert not [what for what in outside if re.search(rf"__file__\)(\.resolve\(\))?{re.escape(what)}", text)]


SOURCES = sorted(
    path
    for top in ("edgefer", "csrc", "tools", "bench")
    for path in (ROOT / top).rglob("*")
    if path.suffix in (".py", ".cpp", ".h")
)
MOST_LINES, MOST_FILES = 400, 20


@pytest.mark.skipif(not (ROOT / "csrc" / "core").is_dir(), reason="needs the whole checkout")
def test_no_file_is_crowded():
    sizes = {named(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert len(sizes) > 150
    assert {name: lines for name, lines in sizes.items() if lines > MOST_LINES} == {}


@pytest.mark.skipif(not (ROOT / "csrc" / "core").is_dir(), reason="needs the whole checkout")
def test_no_folder_is_crowded():
    counts = Counter(named(path.parent) for path in SOURCES)
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_each_test_file_has_a_name_of_its_own():
    """Two of one name cannot be collected together."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_the_package_itself_imports_nothing_of_its_own():
    """So that `import edgefer` stays quick: what is behind the door loads when it is asked for."""
    top = [node for node in ast.parse(FRONT_DOOR.read_text()).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = imported_modules(ast.Module(top, []), ["edgefer"])
    assert names and not [name for name in names if name.startswith("edgefer")]
    assert not loaded_after("import edgefer") & {"numpy", "msgspec"}


def test_the_check_sees_lazy_and_plain_imports():
    """It would be worthless if it looked at the wrong lines."""
    assert {"sources", "loop", "sinks", "device", "reader"} <= imported_rooms(PACKAGE / "commands" / "run.py")
    assert "config" in imported_rooms(PACKAGE / "assemble.py")


def loaded_after(code: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in result.stdout.splitlines()}


HEAVY = {"av", "cv2", "ai_edge_litert", "tflite_runtime", "rich", "matplotlib", "keras", "tensorflow", "torch"}
HEAVY |= {"PIL", "pandas", "pyarrow", "distributed", "nacl"}


@pytest.mark.parametrize(
    "code",
    [
        "import edgefer",
        "import edgefer.commands.console; edgefer.commands.console.main(['--version'])",
        "import edgefer.commands.console; edgefer.commands.console.main(['run', '--help'])",
        "import edgefer.commands.console; edgefer.commands.console.main(['run', '--frames', '0'])",
        "import edgefer.commands.console; edgefer.commands.console.main(['annotate', 'nowhere', '--output', 'x.csv'])",
        "import edgefer.commands.console; edgefer.commands.console.main(['explain', '--help'])",
        "import edgefer.commands.console; edgefer.commands.console.main(['config', 'show', '--profile', 'pi4'])",
        "import edgefer.loop.pipeline, edgefer.config, edgefer.device.service",
        "import edgefer; edgefer.read, edgefer.stream, edgefer.Reader, edgefer.Stream, edgefer.FaceReading",
    ],
    ids=[
        "import edgefer",
        "--version",
        "--help",
        "wrong usage",
        "annotate, in the process that asks",
        "explain --help",
        "config show",
        "loop, config, service",
        "the front door",
    ],
)
def test_nothing_heavy_is_loaded(code):
    """OpenCV, the interpreter and the optional packages load where they are used."""
    assert not loaded_after(code) & HEAVY
