"""Models as one file, and from an address: what is taken, and what is refused in one line."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import io
import shutil
import ssl
import struct
import subprocess
import tarfile
import threading
import time
import tracemalloc
import zipfile

import pytest
import tiny_model

from edgefer.commands.console import main
from edgefer.errors import EdgeferError, ModelError, UsageError
from edgefer.models import directory, place, store
from edgefer.models.field import archive, fetch


@pytest.fixture
def model(tmp_path):
    return tiny_model.make_directory(tmp_path / "tiny")


@pytest.fixture
def target(tmp_path):
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def tar(path, mode, **members):
    """An archive of these contents, or of these TarInfos."""
    with tarfile.open(path, mode) as made:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
            made.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return path


def of_directory(path, kind):
    """Archives as people make them."""
    out = path.with_name(f"archive.{kind}")
    if kind == "zip":
        shutil.make_archive(str(out.with_suffix("")), "zip", path)
    elif kind == "folder.zip":
        shutil.make_archive(str(out.with_suffix("")), "zip", path.parent, path.name)
    else:
        inside = {"tar": (".", "w"), "tar.gz": (path.name, "w:gz")}[kind]
        with tarfile.open(out, inside[1]) as made:
            made.add(path, inside[0])
    return out


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip", "folder.zip"])
def test_an_archive_of_a_model_directory_is_installed(state, model, kind):
    assert main(["models", "install", str(of_directory(model, kind)), "--as", "x"]) == 0
    assert {each.name for each in store.find("x").iterdir()} == {"model.toml", "model.tflite", "MODEL_CARD.md"}
    assert directory.load(store.find("x")).name == "tiny"


def test_what_file_managers_leave_is_passed_over(model, target, tmp_path):
    (model / ".DS_Store").write_bytes(b"x")
    made = of_directory(model, "zip")
    with zipfile.ZipFile(made, "a") as more:
        more.writestr("__MACOSX/._model.toml", b"x")
    archive.unpack(made, target)
    assert {each.name for each in target.iterdir()} == {"model.toml", "model.tflite", "MODEL_CARD.md"}


def link(name, kind, to="model.toml"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"../evil": b"x"}, "expected the names of files in a folder, got '../evil'"),
        ({"/etc/evil": b"x"}, "got '/etc/evil'"),
        ({"a/../../evil": b"x"}, "got 'a/../../evil'"),
        ({"a\\evil": b"x"}, "got 'a"),
        ({"a": link("a", tarfile.SYMTYPE, "/etc/passwd")}, "got 'a', a link or a device"),
        ({"a": link("a", tarfile.LNKTYPE, "b")}, "a link or a device"),
        ({"a": link("a", tarfile.CHRTYPE)}, "a link or a device"),
        ({"a": link("a", tarfile.FIFOTYPE)}, "a link or a device"),
        ({"a": b"x", "b/c": b"x"}, "expected one model directory, got 'b/c'"),
        ({"a/b": b"x", "c/d": b"x"}, "expected one model directory, got 'c/d'"),
        ({"a/b/c": b"x"}, "expected one model directory"),
        ({"a": b"x", "./a": b"y"}, "got './a' twice"),
        ({}, "has no files in it"),
        ({str(n): b"x" for n in range(65)}, "expected at most 64 files"),
    ],
)
def test_what_is_not_one_folder_of_plain_files_is_refused(target, tmp_path, members, words):
    made = tar(tmp_path / "a.tar", "w", **members)
    with pytest.raises(ModelError, match=words.replace("\\", "\\\\")):
        archive.unpack(made, target)
    assert not (tmp_path / "evil").exists()


def test_hidden_files_of_other_programs_are_no_files_of_the_model(target, tmp_path):
    others = {f"__MACOSX/m/._{number}": b"x" for number in range(80)} | {f"m/.git/{n}": b"x" for n in range(80)}
    archive.unpack(tar(tmp_path / "a.tar", "w", **others, **{"m/model.toml": b"x"}), target)
    assert [path.name for path in target.iterdir()] == ["model.toml"]


def test_a_zip_of_a_link_is_refused(target, tmp_path):
    info = zipfile.ZipInfo("a")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr(info, "/etc/passwd")
    with pytest.raises(ModelError, match="'a', a link or a device"):
        archive.unpack(tmp_path / "a.zip", target)


@pytest.mark.parametrize("kind", ["tar.gz", "zip", "header"])
def test_a_bomb_is_refused_before_it_is_unpacked(target, tmp_path, monkeypatch, kind):
    """Also one in what describes a file, which a library reads by itself."""
    monkeypatch.setattr(archive, "MOST_BYTES", 1 << 20)
    made = tmp_path / "bomb"
    zeros = bytes(2 << 20)
    if kind == "tar.gz":
        tar(made, "w:gz", a=zeros)
    elif kind == "zip":
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as bomb:
            bomb.writestr("a", zeros)
    else:
        info = tarfile.TarInfo("x")
        info.type, info.size = tarfile.XHDTYPE, 64 << 20
        with gzip.open(made, "wb", 1) as bomb:
            bomb.write(info.tobuf(tarfile.USTAR_FORMAT))
            for _ in range(32):
                bomb.write(zeros)
    with pytest.raises(ModelError, match="expected at most"):
        archive.unpack(made, target)
    assert sum(each.stat().st_size for each in target.iterdir()) <= 1 << 20


def header_bomb(path, kind, size):
    """An archive of which nothing but descriptions of files is large."""
    if kind == "zip":  # a directory in the form of zip64
        entry = struct.pack("<I6H3I5H2I", 0x02014B50, 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
        entries = size // 100
        listed, local = entry * entries, b"PK\3\4" + bytes(26)
        end = struct.pack("<IQ2H2I4Q", 0x06064B50, 44, 45, 45, 0, 0, entries, entries, len(listed), len(local))
        where = struct.pack("<IIQI", 0x07064B50, 0, len(local) + len(listed), 1)
        short = struct.pack("<I4H2IH", 0x06054B50, 0, 0, 0, 0, 0, 0, 0)
        path.write_bytes(local + listed + end + where + short)
        return
    with gzip.open(path, "wb", 1) as bomb:
        if kind == "folders":
            for number in range(size // 512):
                info = tarfile.TarInfo(str(number))
                info.type = tarfile.DIRTYPE
                bomb.write(info.tobuf(tarfile.USTAR_FORMAT))
        else:
            info = tarfile.TarInfo("x")
            name = b"../" + b"a" * size
            if kind == "pax":
                info.type, name = tarfile.XHDTYPE, b"%d path=%s\n" % (size + 16, b"a" * (size + 1))
            else:
                info.type = tarfile.GNUTYPE_LONGNAME
            info.size = len(name)
            bomb.write(info.tobuf(tarfile.GNU_FORMAT) + name + bytes(-len(name) % 512))
        bomb.write(tarfile.TarInfo("x").tobuf() + bytes(1024))


@pytest.mark.parametrize("kind", ["zip", "pax", "long name", "folders"])
def test_descriptions_of_files_take_little_memory_whatever_an_archive_says(target, tmp_path, kind):
    """All of them are read before any signature."""
    made = tmp_path / "bomb"
    header_bomb(made, kind, 8 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="expected at most"):
            archive.unpack(made, target)
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_long_name_is_cut_in_a_message(target, tmp_path, kind):
    made = tmp_path / "a"
    if kind == "tar":
        tar(made, "w", **{"../" + "a" * 50_000: b"x"})
    else:
        with zipfile.ZipFile(made, "w") as long:
            long.writestr("../" + "a" * 50_000, b"x")
    with pytest.raises(ModelError, match=r"got '\.\./a{96}…'$"):
        archive.unpack(made, target)


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_a_damaged_archive_is_refused_or_holds_the_same_model(model, tmp_path, kind):
    """Some bytes of an archive say nothing of what is in it: when it was packed, for one."""
    made = of_directory(model, kind)
    whole = made.read_bytes()
    expected = {each.name: each.read_bytes() for each in model.iterdir()}
    refused = 0
    for at in range(0, len(whole), max(1, len(whole) // 120)):
        for turn, spoilt in enumerate((whole[:at], whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])):
            out = tmp_path / f"out-{at}-{turn}"
            out.mkdir()
            made.write_bytes(spoilt)
            try:
                archive.unpack(made, out)
                directory.load(out)
            except ModelError as error:
                assert "\n" not in str(error)
                refused += 1
            else:
                assert {each.name: each.read_bytes() for each in out.iterdir()} == expected
            shutil.rmtree(out)
    assert refused > 100


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_too_long_names_are_no_fault_of_the_state_folder(state, tmp_path, capfd, kind):
    made = tmp_path / f"long.{kind}"
    if kind == "tar":
        tar(made, "w", **{"model.toml": b"x", "ä" * 200: b"x"})
    else:
        with zipfile.ZipFile(made, "w") as archive:
            archive.writestr("ä" * 200, b"x")
    assert main(["models", "install", str(made)]) == 4
    said = capfd.readouterr().err
    assert said == f"edgefer: model {made}: expected names of at most 100 bytes, got one of 400\n"


def test_a_path_that_cannot_be_is_told_as_verify_tells_it(state, tmp_path, capfd):
    for path in (tmp_path / ("x" * 300), tmp_path / "absent"):
        assert main(["models", "install", str(path)]) == main(["models", "verify", str(path)]) == 4
        said = capfd.readouterr().err.splitlines()
        assert said[0].removeprefix("edgefer: ") == said[1].removeprefix("refused").strip()


@pytest.mark.parametrize("content", [b"", b"x", b"PK\3\4", b"\x1f\x8b", bytes(2000), b"model"])
def test_what_is_no_archive_is_one_line_and_exit_4(state, tmp_path, capfd, content):
    (tmp_path / "file").write_bytes(content)
    assert main(["models", "install", str(tmp_path / "file")]) == 4
    said = capfd.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1) and str(tmp_path / "file") in said.err


# -- addresses


class Server(http.server.ThreadingHTTPServer):
    """Serves an archive, and what goes wrong with one."""

    daemon_threads = True
    content = b""

    def meanwhile(self):
        """In the middle of an answer."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def address(self, path, scheme="http", login=""):
        return f"{scheme}://{login}127.0.0.1:{self.server_address[1]}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words):
        pass

    def drop_by_drop(self, path):
        """An answer that never ends, faster than a silence that would be noticed."""
        begins = {"/slow-header": "X: ", "/slow-chunk": "Transfer-Encoding: chunked\r\n\r\n", "/slow": "\r\n"}
        self.wfile.write(f"HTTP/1.1 200 OK\r\n{begins[path]}".encode())
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"0")
                time.sleep(0.02)

    def do_GET(self):
        server = self.server
        server.seen.append((self.path, self.headers.get("Authorization")))
        content = server.content
        path = self.path.partition("?")[0]
        if path == "/to-other":
            self.send_response(302)
            self.send_header("Location", server.elsewhere)
            self.end_headers()
            return
        if path == "/absent":
            self.send_error(404)
            return
        if path == "/talkative":
            self.send_error(404, "a" * 50_000)
            return
        if path.startswith("/slow"):
            self.drop_by_drop(path)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) + (100 if path == "/cut" else 0)))
        self.end_headers()
        self.wfile.write(content[:10])
        server.meanwhile()
        self.wfile.write(content[10:])


@pytest.fixture
def server(model):
    made = Server()
    made.content = of_directory(model, "tar.gz").read_bytes()
    yield made
    made.shutdown()
    made.server_close()


def get(url, folder, **how):
    """What fetch writes of an address."""
    with (folder / "got").open("wb") as file:
        fetch.fetch(url, file, **how)


def test_a_model_comes_from_an_address(state, server):
    assert main(["models", "install", server.address("/tiny.tar.gz"), "--as", "x", "--allow-http"]) == 0
    assert directory.load(store.find("x")).name == "tiny"
    server.elsewhere = server.address("/there")
    assert main(["models", "install", server.address("/to-other"), "--as", "x", "--allow-http"]) == 0
    assert [path for path, _ in server.seen] == ["/tiny.tar.gz", "/to-other", "/there"]


def test_user_and_password_go_to_their_host_alone_and_into_no_message(state, server, capfd):
    other = Server()
    other.content = b"no archive"
    server.elsewhere = other.address("/there")
    secret = "Tr0ub4dor"
    for path, code in (("/tiny.tar.gz", 0), ("/absent", 1), ("/to-other", 4)):
        url = server.address(path, login=f"user:{secret}@")
        assert main(["models", "install", f"{url}?token={secret}", "--as", "x", "--allow-http"]) == code, path
    assert all(header and header.startswith("Basic ") for _, header in server.seen)
    assert [header for _, header in other.seen] == [None]
    said = capfd.readouterr()
    assert secret not in said.out + said.err and said.err.count("\n") == 2


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/absent", "the server answers 404 Not Found"),
        ("/cut", r"expected \d+ bytes, got \d+: the connection was lost"),
        ("/to-other", "Redirection to url .file:///etc/passwd. is not allowed"),
    ],
)
def test_what_cannot_be_fetched_is_told(server, tmp_path, path, words):
    server.elsewhere = "file:///etc/passwd"
    with pytest.raises(EdgeferError, match=words):
        get(server.address(path), tmp_path, allow_http=True)


def test_a_talkative_server_is_cut_short(server, tmp_path):
    with pytest.raises(EdgeferError, match="the server answers 404 aaa") as caught:
        get(server.address("/talkative"), tmp_path, allow_http=True)
    assert len(str(caught.value)) < 500


def test_size_and_time_are_bounded(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "MOST_BYTES", 10)
    with pytest.raises(EdgeferError, match="expected at most"):
        get(server.address("/x"), tmp_path, allow_http=True)
    monkeypatch.setattr(fetch, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr(fetch, "DEADLINE_S", -1.0)
    with pytest.raises(EdgeferError, match="expected all of it within"):
        get(server.address("/x"), tmp_path, allow_http=True)


@pytest.mark.parametrize("path", ["/slow", "/slow-header", "/slow-chunk"])
def test_a_server_that_sends_drop_by_drop_has_as_long_as_any(server, tmp_path, monkeypatch, path):
    monkeypatch.setattr(fetch, "DEADLINE_S", 0.3)
    began = time.monotonic()
    with pytest.raises(EdgeferError, match=r"expected all of it within 0\.3 s"):
        get(server.address(path), tmp_path, allow_http=True)
    assert time.monotonic() - began < 2


def test_a_slow_server_keeps_nobody_from_the_models(state, server, monkeypatch):
    """A run that begins must be able to say so; and what is being fetched leaves nothing when it is killed."""
    there = []

    def meanwhile():
        with place.locked(0.0) as folder:
            there.extend(folder.iterdir())

    monkeypatch.setattr(Server, "meanwhile", staticmethod(meanwhile))
    assert main(["models", "install", server.address("/x"), "--as", "x", "--allow-http"]) == 0
    assert [path.name for path in there] == [".lock"]


@pytest.mark.parametrize("url", ["http://h/x", "ftp://h/x", "file:///etc/passwd", "https:///x", "https://[/x", "x://h"])
def test_other_addresses_are_refused_before_anything_is_asked(state, url, capfd):
    assert main(["models", "install", url]) == 2
    said = capfd.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl, for a certificate")
def test_https_needs_a_certificate_that_is_trusted_and_sends_nowhere_else(server, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += [
        "-subj",
        "/CN=test",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure = Server()
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    secure.content = server.content
    secure.elsewhere = server.address("/x")
    with pytest.raises(EdgeferError, match="certificate verify failed"):
        get(secure.address("/x", "https"), tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    get(secure.address("/x", "https"), tmp_path)
    assert (tmp_path / "got").read_bytes() == server.content
    with pytest.raises(EdgeferError, match="which is not https"):
        get(secure.address("/to-other", "https"), tmp_path)
    with pytest.raises(UsageError, match="begins with https://; --allow-http"):
        get(server.address("/x"), tmp_path)
