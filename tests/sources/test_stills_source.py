"""Images and folders of images."""

import logging

import cv2
import numpy as np
import pytest
from clips import exif_jpeg, picture, textured, write_clip

from edgefer.errors import SourceError
from edgefer.sources import open_source
from edgefer.sources.several import natural_key


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
