"""What a file of a picture is, told by its content: which format, and how edgefer takes it."""

from __future__ import annotations

import codecs
import re
from pathlib import PurePath
from typing import BinaryIO, Literal, NamedTuple

from edgefer.support.formats import gif, heif, png, tiff, webp

#: So much of a file's beginning is enough to tell what it is.
HEAD_BYTES = 1 << 16


class Format(NamedTuple):
    """A format by name.

    Attributes:
        name: as a message calls it.
        use: "still" for a photograph (or several); "animation" for one whose pictures belong together in
            time and is read here; "film" where the film reader takes it; "refused" where nothing does.
    """

    name: str
    use: Literal["still", "animation", "film", "refused"]


#: First bytes of what OpenCV decodes.
_STILLS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"BM", "BMP"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
)
#: First bytes of pictures that are refused by name rather than taken for films.
_REFUSED = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"II\xbc", "JPEG XR"),
    (b"8BPS", "Photoshop"),
    (b"gimp xcf", "GIMP"),
    (b"%PDF-", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"AT&TFORM", "DjVu"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"PF\n", "PFM"),
    (b"Pf\n", "PFM"),
    (b"\0\0\1\0", "icon"),
    (b"\0\0\2\0", "cursor"),
    (b"\x8aMNG\r\n", "MNG"),
    (b"\x8bJNG\r\n", "JNG"),
    (b"qoif", "QOI"),
    (b"BPG\xfb", "BPG"),
    (b"FLIF", "FLIF"),
    (b"SIMPLE  =", "FITS"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
    (b"IIU\0", "camera raw"),
    (b"IIRO", "camera raw"),
    (b"IIRS", "camera raw"),
    (b"MMOR", "camera raw"),
    (b"FOVb", "camera raw"),
    (b"\0MRM", "camera raw"),
)
#: First bytes of films, told apart here only from what is neither.
_FILMS = (b"\x1aE\xdf\xa3", b"FLV\x01", b"OggS", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"\0\0\1\xba", b"\0\0\1\xb3")
_PICTURE_SUFFIX = re.compile(
    r"\.(jpe?g?|jfif|mpo|png|webp|tiff?|bmp|dib|hei[cf]|hif|avif|jp2|j2k|p[abgnp]m)", re.IGNORECASE
)
_FILM_SUFFIX = re.compile(
    r"\.(mp4|m4v|mov|qt|mkv|webm|avi|m?ts|m2ts?|mpe?g|m[12]v|vob|flv|f4v|wmv|asf|og[vm]|3gp?2?|3gpp|dv|mxf|gxf|"
    r"h26[1-6]|hevc|26[45]|y4m|ivf|nut|rm|rmvb|divx|mjpe?g|gif)",
    re.IGNORECASE,
)
_FIRST_LOOK = 4096

_PNM = re.compile(rb"P[1-7]\s")
_SVG = re.compile(rb"^\s*(\xef\xbb\xbf)?\s*(<\?xml[^>]*>|<!--.*?-->|<!DOCTYPE[^>]*>|\s)*<svg[\s>]", re.DOTALL)


def identify(head: bytes) -> Format | None:
    """The format of a picture; None for what is none.

    Args:
        head: the first HEAD_BYTES of the file, or all of a shorter one.
    """
    if head.startswith(png.SIGNATURE):
        return Format("animated PNG", "animation") if png.is_animated(head) else Format("PNG", "still")
    if webp.is_webp(head):
        return Format("animated WebP", "animation") if webp.is_animated(head) else Format("WebP", "still")
    if head.startswith((b"GIF87a", b"GIF89a")):
        return Format("GIF", "still") if gif.is_single(head) else Format("animated GIF", "film")
    if head.startswith(tiff.SIGNATURES):
        return Format("camera raw", "refused") if tiff.is_camera_raw(head) else Format("TIFF", "still")
    if (brand := heif.kind(head)) is not None:
        return Format("camera raw", "refused") if brand == "raw" else Format(brand, "still")
    for signature, name in _STILLS:
        if head.startswith(signature):
            return Format(name, "still")
    if _PNM.match(head):
        return Format("PNM", "still")
    for signature, name in _REFUSED:
        if head.startswith(signature):
            return Format(name, "refused")
    if head[128:132] == b"DICM":
        return Format("DICOM", "refused")
    if _SVG.match(head[:4096]):
        return Format("SVG", "refused")
    return None


def identify_file(file: BinaryIO) -> Format | None:
    """The format of a file that was just opened; most are told by far less than HEAD_BYTES."""
    head = file.read(_FIRST_LOOK)
    if head.startswith((png.SIGNATURE, b"GIF8", *tiff.SIGNATURES)):
        head += file.read(HEAD_BYTES - _FIRST_LOOK)
    found = identify(head)
    return Format("film", "film") if found is None and _is_film(head) else found


def _is_film(head: bytes) -> bool:
    return (
        head.startswith(_FILMS)
        or head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide")
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
        or (head[:1] == b"G" and head[188:189] == b"G" and head[376:377] == b"G")
    )


def called_picture(name: str) -> bool:
    """Whether a file is called like a picture, whatever it holds."""
    return bool(_PICTURE_SUFFIX.fullmatch(PurePath(name).suffix))


def called_film(name: str) -> bool:
    """Whether a file is called like a film, whatever it holds."""
    return bool(_FILM_SUFFIX.fullmatch(PurePath(name).suffix))


def is_text(head: bytes) -> bool:
    """Whether a file that begins so holds words rather than a picture, in whatever language and encoding."""
    if head.startswith(b"\xff\xd8"):  # a JPEG of which little is left
        return False
    marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    # In Latin-1 every byte is a character: those of UTF-8 and of other scripts are none that controls anything.
    text = head[:512].decode("utf-16" if marked else "latin-1", "ignore")
    return not any(letter < " " and letter not in "\t\n\f\r" or letter == "\x7f" for letter in text)
