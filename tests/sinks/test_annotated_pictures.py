"""Annotated pictures."""

import os
import subprocess

import cv2
import numpy as np
import pytest
from readings import face, frame, reading

from edgefer.commands.console import main
from edgefer.errors import SinkError, SinkStalled, UsageError
from edgefer.sinks import OUTPUTS, check_outputs, open_sink
from edgefer.sources.demo import portrait_path


def photograph(name, index=0, *size):
    one, image = reading(index, face()), frame(index, *size)
    one.image, one.source, image.still = name, "photos", True
    return one, image


def names_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def kind_of(path):
    return {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg"}[path.read_bytes()[: 4 if path.read_bytes()[0] == 0x89 else 3]]


@pytest.mark.parametrize("name, kind", [("seen.png", "png"), ("seen.jpg", "jpg"), ("SEEN.JPEG", "jpg")])
def test_a_photograph_goes_into_a_file(tmp_path, name, kind):
    path = tmp_path / name
    sink = open_sink(f"image:{path}")
    sink.write(*photograph("a.bmp", 0, 640, 480))
    sink.close()
    sink.close()
    assert names_in(tmp_path) == [name] and kind_of(path) == kind
    assert cv2.imread(str(path)).shape == (480, 640, 3)


def test_a_file_takes_one_picture(tmp_path):
    kept = tmp_path / "seen.png"
    kept.write_bytes(b"before")
    sink = open_sink(f"image:{kept}")
    sink.write(*photograph("a.png"))
    with pytest.raises(SinkError, match=f"takes one picture, and the source has more; write image:{tmp_path}/seen/"):
        sink.write(*photograph("b.png", 1))
    sink.close()
    assert kept.read_bytes() == b"before"


def test_photographs_keep_their_names_and_folders(tmp_path):
    sink = open_sink(f"image:{tmp_path}/out/new/")
    for index, name in enumerate(["a.jpg", "sub/a.jpg", "sub/deep/b.png", "ü 顔.JPG", "x.y.png"]):
        sink.write(*photograph(name, index))
    sink.close()
    assert names_in(tmp_path / "out" / "new") == ["a.jpg", "sub/a.jpg", "sub/deep/b.png", "x.y.png", "ü 顔.JPG"]
    assert kind_of(tmp_path / "out" / "new" / "ü 顔.JPG") == "jpg"


def test_formats_that_are_not_written_become_one_that_is(tmp_path):
    sink = open_sink(f"image:{tmp_path}/")
    for index, name in enumerate(["a.heic", "a.webp", "a.tif", "a.tif#2", "a.bmp", "a", "a.gif"]):
        sink.write(*photograph(name, index))
    sink.close()
    expected = ["a.bmp.png", "a.gif.png", "a.heic.jpg", "a.png", "a.tif#2.png", "a.tif.png", "a.webp.jpg"]
    assert names_in(tmp_path) == expected


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_format_is_given_to_all(tmp_path, kind):
    sink = open_sink(f"image:{tmp_path}/,format={kind}")
    for index, name in enumerate(["a.jpg", "b.png", "c.heic"]):
        sink.write(*photograph(name, index))
    sink.close()
    assert all(kind_of(path) == kind and path.suffix == f".{kind}" for path in tmp_path.iterdir())
    other = {"png": "jpg", "jpg": "png"}[kind]
    with pytest.raises(UsageError, match=f"expected a name ending in .{other}, got .{kind}"):
        open_sink(f"image:{tmp_path}/x.{kind},format={other}")


def test_two_pictures_of_one_name_get_two_files(tmp_path):
    sink = open_sink(f"image:{tmp_path}/")
    for index in range(3):
        sink.write(*photograph("a.jpg", index))
    sink.close()
    assert names_in(tmp_path) == ["a-2.jpg", "a-3.jpg", "a.jpg"]


@pytest.mark.parametrize("name", ["../../out.png", "/etc/out.png", "a/../../../out.png"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    sink = open_sink(f"image:{tmp_path}/one/two/")
    sink.write(*photograph(name))
    assert names_in(tmp_path) == ["one/two/out.png"]


def test_frames_of_a_film_are_numbered(tmp_path):
    sink = open_sink(f"image:{tmp_path}/,every=2")
    for index in [0, 1, 2, 3, 4, 0, 1]:  # and another film after it
        sink.write(reading(index, face()), frame(index))
    sink.close()
    assert names_in(tmp_path) == ["000000.jpg", "000002.jpg", "000004.jpg", "000005.jpg"]


def run_of(folder, indices, live):
    sink = open_sink(f"image:{folder}/", live=live)
    for index in indices:
        sink.write(reading(index, face()), frame(index))
    sink.close()


def test_a_camera_adds_to_the_pictures_of_the_runs_before(tmp_path):
    (tmp_path / "20240101.txt").touch()
    (tmp_path / "mine.jpg").touch()
    run_of(tmp_path, [2, 3], live=True)
    first = {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}
    assert {"000002.jpg", "000003.jpg"} < set(first)
    run_of(tmp_path, [0, 1, 9], live=True)
    assert set(names_in(tmp_path)) == {*first, "000004.jpg", "000005.jpg", "000009.jpg"}
    assert all((tmp_path / name).read_bytes() == data for name, data in first.items())


def test_pictures_on_a_disk_that_comes_late_stay(tmp_path):
    sink = open_sink(f"image:{tmp_path}/out/", live=True)
    sink.write(reading(0, face()), frame(0))
    (tmp_path / "out" / "000001.jpg").write_bytes(b"before")
    (tmp_path / "out" / "000007.jpg").write_bytes(b"before")
    sink.write(reading(1, face()), frame(1))
    sink.close()
    assert names_in(tmp_path / "out") == ["000000.jpg", "000001.jpg", "000007.jpg", "000008.jpg"]
    assert (tmp_path / "out" / "000001.jpg").read_bytes() == b"before"


def test_a_film_replaces_its_own_pictures(tmp_path):
    for _ in range(2):
        run_of(tmp_path, [0, 1], live=False)
    assert names_in(tmp_path) == ["000000.jpg", "000001.jpg"]


def test_a_small_picture_is_enlarged_so_that_it_can_be_read(tmp_path):
    sink = open_sink(f"image:{tmp_path}/")
    one, image = photograph("a.png", 0, 48, 64)
    one.faces[0].box = one.faces[0].box._replace(x0=12.0, y0=20.0, x1=36.0, y1=44.0)
    sink.write(one, image)
    sink.write(*photograph("long.png", 1, 3000, 2))
    sink.close()
    drawn = cv2.imread(str(tmp_path / "a.png"))
    assert drawn.shape == (320, 240, 3) and one.faces[0].box.x0 == 12.0
    column = np.any(drawn[130:200] != 90, axis=2).mean(axis=0)
    assert column[60:66].max() == 1 and column[70:170].max() == 0  # the left edge of the box, 5 times as far
    assert cv2.imread(str(tmp_path / "long.png")).shape == (2, 3000, 3)


def test_the_source_is_never_replaced(tmp_path, monkeypatch):
    photos = tmp_path / "photos"
    photos.mkdir()
    cv2.imwrite(str(photos / "a.png"), frame().bgr())
    before = (photos / "a.png").read_bytes()
    (tmp_path / "link").symlink_to(photos)
    for folder in (photos, tmp_path / "link", f"{photos}/../photos/"):
        for source in (str(photos), str(photos / "a.png")):
            with pytest.raises(UsageError, match="would replace the source; give it a folder of its own"):
                check_outputs([OUTPUTS.parse(f"image:{folder}")], [source])
    with pytest.raises(UsageError, match="would replace the source"):
        check_outputs([OUTPUTS.parse(f"image:{photos / 'a.png'}")], str(photos / "a.png"))
    check_outputs([OUTPUTS.parse(f"image:{photos}/seen/")], str(photos))
    check_outputs([OUTPUTS.parse(f"image:{tmp_path}/")], str(photos))
    # Whatever was not foreseen there is seen when the picture is about to be written.
    monkeypatch.chdir(tmp_path)
    for title, name in [("photos", "a.png"), ("photos/a.png", "a.png"), ("*.png", "photos/a.png")]:
        sink = open_sink("image:photos" if name == "a.png" else "image:.", title=title)
        with pytest.raises(SinkError, match="would replace the photograph it shows"):
            sink.write(*photograph(name))
    assert (photos / "a.png").read_bytes() == before


def test_two_outputs_into_one_folder_are_refused(tmp_path):
    with pytest.raises(UsageError, match="both write to"):
        check_outputs([OUTPUTS.parse(f"image:{tmp_path}/"), OUTPUTS.parse(f"image:{tmp_path}")])


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    for place, why in [
        ("no/seen.png", "is no folder"),
        ("file/seen.png", "is no folder"),
        ("file/", "is no folder"),
        ("file", "is no folder"),
        ("folder.png", "it is a folder; write"),
    ]:
        with pytest.raises(SinkError, match=why):
            open_sink(f"image:{tmp_path}/{place}")
    open_sink(f"image:{tmp_path}/new/folder/").close()
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.png"]


def test_a_full_disk_leaves_no_half_picture(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        sink = open_sink(f"image:{disk}/")
        noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
        with pytest.raises(SinkStalled, match="No space left on device"):
            for index in range(10):
                one, image = photograph(f"{index}.png", index)
                image.bgr = lambda: noise
                sink.write(one, image)
        assert all(cv2.imread(str(path)) is not None for path in disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_picture_beyond_what_jpeg_holds_says_so(tmp_path):
    sink = open_sink(f"image:{tmp_path}/seen.jpg")
    with pytest.raises(SinkError, match="too large a picture for JPG"):
        sink.write(*photograph("a.jpg", 0, 70_000, 4))
    assert names_in(tmp_path) == []


def test_runs_annotate_a_photograph_a_folder_and_a_film(tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    image = cv2.imread(str(portrait_path()))
    cv2.imwrite(str(photos / "a.png"), image)
    cv2.imwrite(str(photos / "b.jpg"), image[:, ::-1])
    run = ["run", "-q", "--source"]
    assert main([*run, str(photos / "a.png"), "--output", f"image:{tmp_path}/one.png"]) == 0
    assert main([*run, str(photos), "--output", f"image:{tmp_path}/all/"]) == 0
    assert main([*run, "demo:1", "--output", f"image:{tmp_path}/film/,every=10"]) == 0
    assert names_in(tmp_path / "all") == ["a.png", "b.jpg"] and len(names_in(tmp_path / "film")) >= 1
    drawn = cv2.imread(str(tmp_path / "one.png"))
    assert drawn.shape == image.shape and np.array_equal(drawn, cv2.imread(str(tmp_path / "all" / "a.png")))
    green = np.all(drawn == (90, 200, 60), axis=2)
    assert green.sum() > 300, "a face is found and drawn"
    assert main([*run, str(photos), "--output", f"image:{photos}"]) == 2
    assert main([*run, str(photos), "--output", f"image:{tmp_path}/one.png"]) == 1
    error = capsys.readouterr().err
    assert "would replace the source" in error and "takes one picture" in error
