"""Model directories: what is read, and everything that must be refused."""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tiny_model

from edgefer import recognize
from edgefer.detect import network as detector_network
from edgefer.errors import ModelError
from edgefer.landmarks import network as landmark_network
from edgefer.models import directory as directories
from edgefer.models import manifest as manifests
from edgefer.support.toml import DEEP_KEY


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return tiny_model.make_directory(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def directory(tmp_path):
    return tiny_model.make_directory(tmp_path / "tiny")


def reseal(directory, old: str, new: str):
    """Change the text of model.toml and give it a seal that agrees, as a careless tool would."""
    path = directory / directories.MANIFEST_NAME
    text = path.read_text()
    assert text.count(old) >= 1, old
    body = text[: text.rindex("sha256 = ")].replace(old, new, 1).encode()
    path.write_bytes(body + f'sha256 = "{hashlib.sha256(body).hexdigest()}"\n'.encode())


def refusal(directory) -> str:
    with pytest.raises(ModelError) as caught:
        recognize.open(directory)
    assert caught.value.exit_code == 4
    message = str(caught.value)
    assert len(message.splitlines()) == 1, message
    return message


def test_what_was_written_is_read_back(pristine):
    manifest, model = directories.read(pristine)
    assert model == tiny_model.FIXTURE.read_bytes()
    assert set(manifest.files) == {"MODEL_CARD.md", "model.tflite"}
    assert msgspec.structs.replace(manifest, files={}) == tiny_model.manifest()


@pytest.mark.parametrize("text", ['"', "\\", "\t\n", "é…", "\x7f", "a = 1 # [seal]\n", "\u2028"])
def test_free_text_survives_whatever_it_holds(tmp_path, text):
    directory = tiny_model.make_directory(tmp_path / "m", paper=f"x{text}x")
    assert directories.load(directory).paper == f"x{text}x"


@pytest.mark.parametrize("damage", ["change", "truncation"])
def test_a_hundred_random_damages_are_all_refused(directory, damage):
    """Every file of the directory is hit, in proportion to nothing: a third of the hits each."""
    rng = np.random.default_rng(2026)
    files = sorted(directory.iterdir())
    assert len(files) == 3
    accepted = []
    for turn in range(100):
        path = files[turn % 3]
        whole = path.read_bytes()
        at = int(rng.integers(len(whole)))
        if damage == "change":
            broken = bytearray(whole)
            broken[at] ^= int(rng.integers(1, 256))
        else:
            broken = whole[:at]
        path.write_bytes(broken)
        try:
            directories.read(directory)
            accepted.append((path.name, at))
        except ModelError as error:
            assert len(str(error).splitlines()) == 1
        path.write_bytes(whole)
    assert accepted == []
    recognize.open(directory)


def test_every_single_byte_of_the_manifest_counts(directory):
    path = directory / directories.MANIFEST_NAME
    whole = path.read_bytes()
    for at in range(len(whole)):
        broken = bytearray(whole)
        broken[at] ^= 0x20  # turns lower case into upper case, the mildest change there is
        path.write_bytes(broken)
        with pytest.raises(ModelError):
            directories.load(directory)


@pytest.mark.parametrize("tail", [b"\n", b" ", b"#", b"\0", b"x = 1\n"], ids=repr)
def test_bytes_after_the_seal_are_refused(directory, tail):
    with (directory / directories.MANIFEST_NAME).open("ab") as file:
        file.write(tail)
    assert "[seal]" in refusal(directory)


@pytest.mark.parametrize("name", ["model.toml", "model.tflite", "MODEL_CARD.md"])
def test_a_missing_file_is_named(directory, name):
    (directory / name).unlink()
    assert f"has no {name}" in refusal(directory)


@pytest.mark.parametrize("name", ["model.toml", "model.tflite", "MODEL_CARD.md"])
def test_links_pipes_and_folders_are_not_followed(directory, name):
    path = directory / name
    content = path.read_bytes()
    path.unlink()
    path.symlink_to(tiny_model.FIXTURE)
    assert f"{name} is not a plain file" in refusal(directory)
    path.unlink()
    os.mkfifo(path)
    assert f"{name} is not a plain file" in refusal(directory)
    path.unlink()
    path.mkdir()
    assert f"{name} is not a plain file" in refusal(directory)
    path.rmdir()
    path.write_bytes(content)
    recognize.open(directory)


def test_a_file_that_is_not_listed_is_refused_but_dot_files_are_not(directory):
    (directory / ".directory").write_bytes(b"")
    recognize.open(directory)
    (directory / "model (copy).tflite").write_bytes(b"")
    assert "'model (copy).tflite' is not listed" in refusal(directory)


def test_a_signature_that_is_not_checked_is_not_accepted(directory):
    (directory / "model.sig").write_bytes(b"signature")
    assert "model.sig expected the four lines of a signature" in refusal(directory)


def test_a_directory_that_is_none_is_refused(tmp_path):
    assert "No such file" in refusal(tmp_path / "absent")
    (tmp_path / "file").write_bytes(b"")
    assert "Not a directory" in refusal(tmp_path / "file")
    assert "has no model.toml" in refusal(tmp_path)
    assert "expected a model directory" in refusal("models/\0")


def test_oversized_files_are_refused_without_reading_them_whole(directory, monkeypatch):
    with (directory / "model.toml").open("r+b") as file:
        file.truncate(directories.MANIFEST_MAX_BYTES + 1)
    assert "larger than the 256 KiB allowed" in refusal(directory)
    tiny_model.make_directory(directory)
    with (directory / "model.tflite").open("r+b") as file:
        file.truncate(directories.FILE_MAX_BYTES + 1)  # sparse: takes no room
    assert "larger than the 65536 KiB allowed" in refusal(directory)


def test_a_long_word_in_a_manifest_is_cut_in_the_message(directory):
    """It is read before any signature."""
    reseal(directory, "schema = 1", f"{'a' * 100_000} = 1\nschema = 1")
    assert "unknown field `aaa" in (said := refusal(directory)) and len(said) < 700


DEEP = ["a{} = 1", '"=\\""{} = 1', "'='{} = 1", "[a{}]", "[[ a{}]]", "x = {{ a{} = 1 }}", "x = [{{ b = 1, a{} = 1 }}]"]


@pytest.mark.parametrize("line", DEEP)
def test_a_key_of_many_parts_is_refused_before_it_is_parsed(directory, line, monkeypatch):
    """What the parser takes for one grows with the square of its parts: 64 GB for 256 KiB."""
    reseal(directory, "schema = 1", f"schema = 1\n{line.format('.a' * 500)}")
    monkeypatch.setattr(msgspec.toml, "decode", lambda _: pytest.fail("it is parsed"))
    assert "nested too deeply" in refusal(directory)


@pytest.mark.parametrize("blanks", [" ", "\t ", "[ ", ", ", " \n"])
def test_a_long_line_of_next_to_nothing_is_looked_at_in_no_time(blanks):
    """It took minutes, before any signature."""
    begin = time.process_time()
    assert DEEP_KEY.search((blanks * (1 << 17) + "#").encode()) is None
    assert time.process_time() - begin < 10


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("schema = 1", "schema = 2", "schema"),
        ('kind = "frame"', 'kind = "opera"', "kind"),
        ('kind = "frame"', "kind = { a = 1 }", "kind: expected one of"),
        ('name = "tiny"', 'name = "../tiny"', "name"),
        ('name = "tiny"', "name = 3", "Expected `str`, got `int`"),
        ('name = "tiny"\n', "", "missing required field `name`"),
        ("height = 64", 'height = "64"', "$.input.height"),
        ("height = 64", "height = 64.5", "$.input.height"),
        ("height = 64", "height = 0", "$.input.height"),
        ("height = 64", "height = true", "$.input.height"),
        ("height = 64", "height = 64\nheigth = 64", "unknown field `heigth`"),
        ("[input]", "[input]\n[input]", "is not a valid manifest"),
        ("[metrics]", "metrics = 3\n[metrics]", "is not a valid manifest"),
        ("[metrics]", "[metriks]", "unknown field `metriks`"),
        ("height = 64", "height = ", "is not a valid manifest"),
        ('channels = "grey+sobel"', 'channels = "colour"', "$.input.channels"),
        ("scale = 0.0078125", "scale = nan", "$.input.scale"),
        ("scale = 0.0078125", "scale = -1.0", "$.input.scale"),
        ("zero_point = 0", "zero_point = 128", "$.input.zero_point"),
        ("zero_point = 0", "zero_point = 3", "value_range"),
        ("[-1.0, 0.9921875]", "[0.0, 1.0]", "value_range"),
        ("[-1.0, 0.9921875]", "[-inf, inf]", "value_range"),
        ("[-1.0, 0.9921875]", "[-1.0]", "value_range"),
        ("crop_margin = 0.1", "crop_margin = inf", "crop_margin"),
        ("crop_margin = 0.1", 'crop_margin = 0.1\nalignment = "none"', "unknown field `alignment`"),
        ('labels = "ferplus8"', 'labels = "ferplus9"', "expected one of ferplus8"),
        ('labels = "ferplus8"', 'labels = "basic7"', "expected 7 values for each seed, got 8"),
        ("temperature = 1.0", "temperature = 0.0", "temperature"),
        ("offsets = []", "offsets = [0.5, 0.0]", "output.offsets: expected none or 8 values, got 2"),
        ("offsets = []", "offsets = [0, 0, 0, 0, 0, 0, 0, nan]", "$.output.offsets"),
        ("offsets = []", "offsets = [0, 0, 0, 0, 0, 0, 0, 101]", "$.output.offsets"),
        ("accuracy_int8 = 12.5", "accuracy_int8 = 101.0", "accuracy_int8"),
        ("seed = 7", "seed = -7", "seed"),
        ("output = [-1,", "output = [-129,", "$.self_test"),
        ("output = [-1,", "output = [-1, 0,", "expected 8 values for each seed, got 9"),
        ('"MODEL_CARD.md" =', '"../MODEL_CARD.md" =', "files: expected the name of a file"),
        ('"MODEL_CARD.md" =', '"/etc/hostname" =', "files: expected the name of a file"),
        ('"MODEL_CARD.md" =', '".." =', "files: expected the name of a file"),
        ('"MODEL_CARD.md" =', '"a\\u0000b" =', "files: expected the name of a file"),
        ('"MODEL_CARD.md" =', '"model.toml" =', "files: expected the name of a file"),
        ('"MODEL_CARD.md" =', '"absent.md" =', "has no absent.md"),
        ('"model.tflite" =', '"model.lite" =', "expected an entry for model.tflite"),
        ('"MODEL_CARD.md" = "', '"MODEL_CARD.md" = "0', "$.files"),
        ("[files]", "[seal.more]\nx = 1\n[files]", "seal: expected nothing but sha256"),
        ("\n[seal]", "\n#[seal]", "does not end with its [seal]"),
        ("seed = 7", f"seed = {'9' * 5000}", "is not a valid manifest"),
        ("seed = 7", "seed = 2026-11-21", "$.training.seed"),
        ("[files]", "x = " + "[" * 5000 + "\n[files]", "is not a valid manifest"),
    ],
)
def test_a_manifest_with_a_right_seal_and_wrong_content_is_refused(directory, old, new, word):
    reseal(directory, old, new)
    message = refusal(directory)
    assert word in message
    assert "model.toml" in message


def test_text_that_is_not_utf8_is_refused(directory):
    path = directory / directories.MANIFEST_NAME
    body = path.read_bytes().replace(b'paper = "', b'paper = "\xff')
    body = body[: body.rindex(b"sha256 = ")]
    path.write_bytes(body + f'sha256 = "{hashlib.sha256(body).hexdigest()}"\n'.encode())
    assert "is not a valid manifest" in refusal(directory)


def test_a_path_with_a_line_break_still_gives_one_line(tmp_path):
    directory = tiny_model.make_directory(tmp_path / "two\nlines")
    (directory / "model.tflite").write_bytes(b"")
    assert "two\\nlines" in refusal(directory)


def test_write_refuses_what_load_would_and_leaves_the_old_manifest(directory):
    before = (directory / directories.MANIFEST_NAME).read_bytes()
    wrong = tiny_model.manifest(output=msgspec.structs.replace(tiny_model.manifest().output, labels="basic7"))
    with pytest.raises(ModelError, match="expected 7 values"):
        directories.write(directory, wrong)
    assert (directory / directories.MANIFEST_NAME).read_bytes() == before


def test_self_test_inputs_follow_the_recipe():
    """Written out again from the docstring, byte by byte."""
    for seed in range(6):
        side = 2 ** (seed % 5)
        made = manifests.self_test_input(seed, (1, 20, 12, 3))
        columns, rows = -(-12 // side), -(-20 // side)
        stream = hashlib.shake_128(f"edgefer self-test {seed}".encode()).digest(rows * columns * 3)
        for y, x, c in np.ndindex(20, 12, 3):
            byte = stream[((y // side) * columns + x // side) * 3 + c]
            assert made[0, y, x, c] == (byte if byte < 128 else byte - 256)
        assert made.dtype == np.int8
        assert made.flags.c_contiguous


def test_digests_are_written_in_full(pristine):
    text = (pristine / directories.MANIFEST_NAME).read_text()
    assert len(re.findall(r'"[0-9a-f]{64}"', text)) == 3
    assert hashlib.sha256(tiny_model.FIXTURE.read_bytes()).hexdigest() in text


def test_the_page_about_models_names_every_table_key_and_limit():
    """docs/models.md is written by hand; this holds it to the code."""
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    shared, frame, detector, landmarks = re.split(r"What the kind `\w+` adds", page)
    sections = [
        (shared, {"licence": manifests.Licence}),
        (
            frame,
            {
                "input": manifests.Input,
                "output": manifests.Output,
                "training": manifests.Training,
                "metrics": manifests.Metrics,
                "[self_test]": manifests.SelfTest,
            },
        ),
        (detector, {"[self_test]": manifests.DetectorTest}),
        (landmarks, {"metrics": manifests.LandmarkMetrics, "[self_test]": manifests.LandmarkTest}),
    ]
    for section, tables in sections:
        for table, fields in tables.items():
            (line,) = [line for line in section.splitlines() if line.startswith(f"| `[{table}]` |")]
            for name in fields.__struct_fields__:
                assert f"`{name}`" in line, f"{table}.{name}"
    kinds = [(shared, manifests.Manifest), (frame, manifests.FrameManifest), (detector, manifests.DetectorManifest)]
    kinds.append((landmarks, manifests.LandmarkManifest))
    for section, kind in kinds:
        for name in set(kind.__struct_fields__) - set(kind.__base__.__struct_fields__):
            assert f"`{name}`" in section or f"`[{name}]`" in section or f"`[[{name}]]`" in section, name
    words = " ".join(page.split())
    assert f"within {manifests.SELF_TEST_TOLERANCE} int8 levels" in words
    assert f"a detector's best score within {detector_network.TOLERANCE};" in words
    points, confidence = landmark_network.POINT_TOLERANCE, landmark_network.CONFIDENCE_TOLERANCE
    assert f"points within {points} of the square and its confidences within {confidence}." in words
