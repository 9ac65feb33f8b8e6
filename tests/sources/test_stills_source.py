"""Images and folders of images."""

import logging
import os
import sys

import cv2
import numpy as np
import pytest
from clips import exif_jpeg, picture, textured, write_clip

from edgefer.errors import SourceError
from edgefer.sources import animation, open_source
from edgefer.sources.several import natural_key
from edgefer.sources.stills import Images


def save(path, image):
    assert cv2.imwrite(str(path), image)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp", ".tiff", ".pgm", ".jpg"])
def test_a_grey_image_comes_back_as_it_is(tmp_path, suffix):
    image = textured(0)[:, :, 0]
    with open_source(save(tmp_path / f"image{suffix}", image)) as source:
        frame = source.read()
        assert source.read() is None
    assert not source.live
    assert frame.grey.dtype == np.uint8 and frame.grey.shape == image.shape
    assert np.abs(frame.grey.astype(int) - image).max() <= (8 if suffix in (".jpg", ".webp") else 0)
    assert frame.bgr().shape == (*image.shape, 3)
    assert (frame.index, frame.media_ns) == (0, 0)


@pytest.mark.parametrize(
    "image",
    [
        textured(0)[:, :, 0].astype(np.uint16) * 257,
        textured(0)[:, :, :1].repeat(3, axis=2).astype(np.uint16) * 257,
        np.dstack([textured(0)[:, :, :1].repeat(3, axis=2), np.full((120, 160), 30, np.uint8)]),
    ],
    ids=["16-bit-grey", "16-bit-colour", "alpha"],
)
def test_depth_and_alpha_do_not_change_the_grey(tmp_path, image):
    with open_source(save(tmp_path / "image.png", image)) as source:
        assert np.array_equal(source.read().grey, textured(0)[:, :, 0])


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (6000, 8000)], ids=str)
def test_odd_sizes_are_read(tmp_path, shape):
    image = np.zeros(shape, np.uint8)
    image[-1, -1] = 200
    with open_source(save(tmp_path / "image.png", image)) as source:
        frame = source.read()
        assert source.size == shape[::-1]
    assert np.array_equal(frame.grey, image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_a_photograph_upright(tmp_path, orientation):
    """The stored picture is what the camera turned; the delivered one is upright again."""
    upright = picture(10, 64, 48)
    undo = {
        1: lambda x: x,
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.transpose(1, 0, 2),
        6: lambda x: np.rot90(x, 1),
        7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
        8: lambda x: np.rot90(x, -1),
    }[orientation]
    path = tmp_path / "photo.jpg"
    path.write_bytes(exif_jpeg(np.ascontiguousarray(undo(upright)), orientation))
    frame = open_source(path).read()
    assert frame.grey.shape == (48, 64)
    assert np.abs(frame.grey.astype(int) - upright[:, :, 0])[4:20, 4:28].max() < 12
    assert np.abs(frame.grey.astype(int) - upright[:, :, 0])[28:, :].max() < 12
    assert np.abs(frame.bgr().astype(int) - upright)[28:, :].max() < 12


@pytest.mark.parametrize("part", [0.1, 0.3, 0.6, 0.9])
def test_a_jpeg_that_is_cut_off_is_refused_whatever_the_decoder_fills_in(tmp_path, part):
    """An embedded thumbnail, which has an end marker of its own, must not hide it."""
    data = exif_jpeg(textured(0), 1)
    path = tmp_path / "photo.jpg"
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(SourceError, match=r"photo\.jpg: damaged image: ends (early|before)"):
        open_source(path)


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(exif_jpeg(textured(0), 1) + b"a motion photo's film" * 100)
    assert open_source(path).read().grey.shape == (120, 160)


def test_a_folder_is_read_in_natural_order_each_picture_for_itself(tmp_path):
    for number in (10, 2, 1, 33):
        save(tmp_path / f"img{number}.png", np.full((8, 8), number, np.uint8))
    with open_source(tmp_path) as source:
        frames = [source.read() for _ in range(4)]
        assert source.read() is None and source.length == 4
    assert [frame.grey[0, 0] for frame in frames] == [1, 2, 10, 33]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.image for frame in frames] == ["img1.png", "img2.png", "img10.png", "img33.png"]
    assert all(frame.still and frame.media_ns == 0 and frame.source == str(tmp_path) for frame in frames)


def test_natural_order_mixes_names_and_numbers(tmp_path):
    names = ["2.png", "10.png", "a1.png", "A2.png", "a10.png", "b²1.png"]
    assert sorted({*names}, key=natural_key) == names


def test_foreign_files_of_a_folder_are_named_once(tmp_path, caplog):
    save(tmp_path / "one.png", picture(0))
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "drawing.psd").write_bytes(b"8BPS" + bytes(60))
    (tmp_path / "folder.png").mkdir()
    for hidden in (".DS_Store", "Thumbs.db", ".one.png", "desktop.ini"):
        (tmp_path / hidden).write_bytes(b"hidden")
    write_clip(tmp_path / "clip.avi", frames=2)
    with caplog.at_level(logging.WARNING), open_source(tmp_path) as source:
        assert source.length == 1
        assert source.read() is not None and source.read() is None
    assert [record.getMessage().removeprefix(f"{tmp_path}: ") for record in caplog.records] == [
        "holds 1 film (clip.avi); give them as sources",
        "left out, for these formats are not read: 1 Photoshop",
        "1 file left out, no images: notes.txt",
    ]


def test_a_damaged_image_in_a_folder_leaves_a_gap_and_is_named_at_the_end(tmp_path):
    for number in range(4):
        save(tmp_path / f"{number}.png", picture(number))
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:60])
    with open_source(tmp_path) as source:
        assert [source.read().index for _ in range(3)] == [0, 2, 3]
        with pytest.raises(SourceError, match=r"1 of 4 images are damaged or unreadable \(1\.png\)"):
            source.read()
        assert source.read() is None


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no image among its 0 files"):
        open_source(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(SourceError, match="no image among its 1 file;"):
        open_source(tmp_path)


# -- names


@pytest.mark.parametrize(
    ("name", "as_shown"),
    [
        ("Screenshot at 9.41\u202fAM.png", "Screenshot at 9.41\u202fAM.png"),
        ("\U0001f468\u200d\U0001f469.png", "\U0001f468\u200d\U0001f469.png"),
        (os.fsdecode(b"caf\xe9.png"), "caf\\xe9.png"),
        ("two\nlines.png", "two\\nlines.png"),
        ("bell\x07.png", "bell\\x07.png"),
    ],
    ids=["narrow-space", "joined-emoji", "undecodable", "newline", "control"],
)
def test_a_picture_of_any_name_is_read_and_its_name_shown_escaped(tmp_path, name, as_shown):
    """Alone and in a folder."""
    path = tmp_path / name
    path.write_bytes(cv2.imencode(".png", picture(3))[1].tobytes())
    for source in (open_source(path), open_source(tmp_path)):
        frame = source.read()
        assert frame.image == as_shown and frame.grey.shape == (48, 64)
        assert source.name.isprintable() or "\u202f" in source.name or "\u200d" in source.name
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    with pytest.raises(SourceError) as caught:
        open_source(path)
    assert as_shown in str(caught.value) and "\n" not in str(caught.value)


# -- folders


def test_sub_folders_are_entered_where_it_is_asked_for_and_links_end(tmp_path):
    for name in ("b.png", "a/2.png", "a/10.png", "a/.hidden/x.png", "__MACOSX/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        save(tmp_path / name, picture(0))
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    with open_source(f"stills:{tmp_path},recursive=yes") as source:
        frames = [source.read() for _ in range(3)]
        assert source.read() is None
    assert [frame.image for frame in frames] == ["a/2.png", "a/10.png", "b.png"]
    with open_source(tmp_path) as source:
        assert source.read().image == "b.png" and source.read() is None
    with pytest.raises(SourceError, match=r"it holds 1 folder: stills:.*,recursive=yes reads them"):
        (tmp_path / "b.png").unlink()
        open_source(tmp_path)


def test_what_cannot_be_read_is_named_with_its_reason_and_the_others_are_read(tmp_path, caplog):
    """Empty, vanished, of another content than its name says, not for us to read."""
    for number in range(3):
        save(tmp_path / f"{number}.png", picture(number))
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "page.jpg").write_text("<html>not found</html>")
    save(tmp_path / "gone.png", picture(0))
    with caplog.at_level(logging.WARNING), open_source(tmp_path) as source:
        (tmp_path / "gone.png").unlink()
        assert [source.read().image for _ in range(3)] == ["0.png", "1.png", "2.png"]
        with pytest.raises(SourceError, match=r"3 of 6 images are damaged or unreadable \(empty\.jpg, gone\.png, page"):
            source.read()
    assert [record.getMessage() for record in caplog.records] == [
        "empty.jpg: the file is empty; left out",
        "gone.png: no such file or directory; left out",
        "page.jpg: the file holds text; expected a picture: JPEG, PNG, WebP, TIFF, BMP, HEIC or AVIF; left out",
    ]


def test_a_list_of_files_is_read_in_its_order(tmp_path):
    paths = [save(tmp_path / name, picture(0)) for name in ("b.png", "a.png")]
    source = Images("two", [str(path) for path in paths])
    assert [source.read().image, source.read().image, source.read()] == [*map(str, paths), None]


def test_heic_in_a_folder_is_never_left_out_without_a_word(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    save(tmp_path / "a.png", picture(0))
    (tmp_path / "b.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with caplog.at_level(logging.WARNING), open_source(tmp_path) as source:
        assert source.read().image == "a.png"
        with pytest.raises(SourceError, match=r"1 of 2 images are damaged or unreadable \(b\.heic\)"):
            source.read()
    assert "b.heic: HEIC needs the extra `heif`" in caplog.text


def test_each_page_of_a_scan_is_a_photograph(tmp_path):
    pages = [picture(number) for number in range(3)]
    assert cv2.imwritemulti(str(tmp_path / "scan.tif"), pages)
    with open_source(tmp_path / "scan.tif") as source:
        frames = [source.read() for _ in range(3)]
        assert source.read() is None and source.length == 3
    assert [frame.image for frame in frames] == ["scan.tif", "scan.tif#2", "scan.tif#3"]
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert all(np.array_equal(frame.bgr(), page) for frame, page in zip(frames, pages, strict=True))


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_an_animation_is_a_short_film(tmp_path, kind):
    image = pytest.importorskip("PIL.Image", reason="the tests' animations are written with Pillow")
    if not hasattr(cv2, "imdecodeanimation"):
        pytest.skip("needs OpenCV 4.11")
    frames = [image.fromarray(picture(10 * number)) for number in range(4)]
    options = {"lossless": True} if kind == "WEBP" else {}
    path = tmp_path / "moving"
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], duration=[100, 50, 200, 70], **options)
    with open_source(path) as source:
        seen = [source.read() for _ in range(4)]
        assert source.read() is None
    assert [frame.media_ns // 10**6 for frame in seen] == [0, 100, 150, 350]
    assert [frame.duration_ns // 10**6 for frame in seen] == [100, 50, 200, 70]
    assert not any(frame.still for frame in seen)
    assert [int(frame.grey[-1, -1]) for frame in seen] == [40, 60, 80, 100]
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(SourceError, match="damaged"):
        open_source(path)


@pytest.mark.parametrize("mode", ["L", "1", "I;16", "rgb48be"])
def test_an_animated_png_may_be_grey_or_of_other_depths(tmp_path, mode):
    if not hasattr(cv2, "imdecodeanimation"):
        pytest.skip("needs OpenCV 4.11")
    path = tmp_path / "moving.apng"
    greys = [np.full((64, 80), level, np.uint8) for level in (0, 255, 0)]
    for number, grey in enumerate(greys):
        grey[:8, : 8 + number] = 255 - grey[-1, -1]
    if mode == "rgb48be":
        pytest.importorskip("av")
        from films import encoder, write_film

        write_film(path, greys, encoder("apng"), pix_fmt=mode)
    else:
        image = pytest.importorskip("PIL.Image", reason="the tests' animations are written with Pillow")
        deep = mode == "I;16"
        frames = [image.fromarray(grey.astype(np.uint16) * 257 if deep else grey) for grey in greys]
        frames = frames if deep else [frame.convert(mode) for frame in frames]
        frames[0].save(path, "PNG", save_all=True, append_images=frames[1:], duration=100)
    with open_source(path) as source:
        seen = list(source.unpaced())
    assert [int(frame.grey[-1, -1]) for frame in seen] == [0, 255, 0]
    assert all(frame.bgr().shape == (64, 80, 3) and frame.bgr().dtype == np.uint8 for frame in seen)


def test_an_animated_png_that_is_cut_off_says_so_after_its_last_picture(tmp_path, monkeypatch):
    """It ended there as if it were whole."""
    image = pytest.importorskip("PIL.Image", reason="the tests' animations are written with Pillow")
    if not hasattr(cv2, "imdecodeanimation"):
        pytest.skip("needs OpenCV 4.11")
    monkeypatch.setattr(animation, "_LOT_BYTES", 1)  # a lot that ends where the file does not
    frames = [image.fromarray(textured(number)) for number in range(8)]
    path = tmp_path / "moving.png"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    with open_source(path) as source:
        assert source.length == 8 and len(list(source.unpaced())) == 8
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    seen = 0
    with open_source(path) as source, pytest.raises(SourceError, match=r"ends early at frame [456] of 8; cut off"):
        while source.read() is not None:
            seen += 1
    assert seen in (4, 5, 6)
