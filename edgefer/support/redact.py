"""Secrets kept out of logs, titles and outputs.

What addresses hold besides scheme, host and path is taken for a secret: user and password, parameters, fragments, and
parts of a path that look like a key. Where it cannot be told whether something belongs to a password it does.
`url_name` is what a source in the network is called; `scrub` cleans any text on its way out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

HIDDEN = "***"


class _Pattern:
    """A regular expression that ignores case; compiled at its first use, for most runs show no address."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._compiled: re.Pattern[str] | None = None

    def __getattr__(self, name: str) -> Any:
        if self._compiled is None:
            self._compiled = re.compile(self._pattern, re.IGNORECASE | re.DOTALL)
        return getattr(self._compiled, name)


#: With one slash where paths are tidied up.
_SCHEME = _Pattern(
    r"[a-z][a-z0-9+.-]{0,31}:(?://|\\\\)|\b(?:https?|rtsps?|rtmp[a-z]{0,2}|rtp|srt|udp|tcp|mqtts?|wss?|s?ftp):/"
)
#: What follows an address in a sentence.
_TAIL = _Pattern(r"[.,:;)\]…'\">]+$")
_AT = _Pattern("@|%40")
_PORT = r"(?::\d{0,5})?"
_NUMERIC = rf"(?:\d{{1,3}}(?:\.\d{{1,3}}){{3}}|\[[0-9a-f:.]+(?:%\w+)?\]|localhost){_PORT}(?=[/?#\\]|$)"
#: A host that cannot be part of a password.
_SURE_HOST = _Pattern(_NUMERIC)
#: A host with or without its port; other things before the first slash are a password that holds one.
_CLEAN_HOST = _Pattern(rf"(?:\[[^\]]*\]|[0-9a-f]*:[0-9a-f:]*:[0-9a-f.]*|[^:@\[\]]*){_PORT}")
#: user:password@host without a scheme, where a host, a port or a path follows.
_BARE = _Pattern(rf"(?<![^\s'\"(<=,])[^\s'\"/:@]+:[^\s'\"]*(?:@|%40)(?={_NUMERIC}|[\w.-]+(?::\d+)?/)")
_BARE_WHOLE = _Pattern(r"[^\s/:@]*:.*(?:@|%40)(?=[\w\[])")
_ENCODED = _Pattern(r"\b([a-z][a-z0-9+.-]{0,31}%3a%2f%2f)[^\s'\"<>]+")
_HEADER = _Pattern(r"\b((?:proxy-)?authorization|cookie|x-api-key)(\s*[:=]\s*).*")
_WORDS = (
    "pass(?:word|wd|phrase)?|loginpas|pwd|user(?:name)?|usr|login(?:use)?|(?:[a-z]+_)?token|(?:api|access)[_-]?key|"
    "secret|sig(?:nature)?|jsessionid|session(?:_?id)?|credentials?|auth"
)
#: key=value, also as JSON and TOML write it; JSON's colon counts only after a quoted key.
_PAIR = _Pattern(rf"(?<![a-z])((?:{_WORDS})(?:\s*=\s*|[\"']\s*[:=]\s*))(\"[^\"]*\"|'[^']*'|[^\s&;,'\"]+)")
#: Parts of a path by which servers let somebody in: long, and letters mixed with digits; or a JSON web token.
_KEY = _Pattern(
    r"(?=(?:\D*\d){3})(?=[^a-z]*[a-z])(?:[a-z0-9]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"
)
#: Parameters by which two pictures of one camera differ, and the values they have.
_HARMLESS = {"action", "camera", "channel", "ch", "chn", "compression", "fps", "height", "quality"}
_HARMLESS |= {"real_stream", "res", "resolution", "size", "stream", "streamtype", "subtype", "video", "width"}
_PLAIN = _Pattern(r"\d{1,4}(?:x\d{1,4})?|main|sub|stream|snapshot|m?jpe?g|h26[45]|hevc|on|off|yes|no|high|low")
#: Secrets that were met, with other ways to write them; see remember().
_known: set[str] = set()
_SHORTEST = 4


def url_name(url: str) -> str:
    """What an address may be called in a log, a title or an output.

    `rtsp://user:password@host:554/path?channel=1&key=x` becomes `rtsp://***@host:554/path?channel=1&***`. An address
    without a scheme is understood as well.
    """
    scheme = _SCHEME.match(url)
    if scheme:
        return scheme[0] + _address(url[scheme.end() :])
    bare = _BARE_WHOLE.match(url)
    return f"{HIDDEN}@{_address(url[bare.end() :])}" if bare else scrub(url)


def scrub(text: str) -> str:
    """The text with what is secret in it hidden: in every address, in pairs such as `password=…`, and by remember()."""
    for secret in sorted(_known, key=len, reverse=True):
        if secret in text:
            text = re.sub(rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])", HIDDEN, text)
    return "\n".join(map(_scrub_line, text.split("\n")))


def remember(text: str) -> None:
    """Takes what is secret in an address, so that scrub() finds it wherever a library repeats it in another form."""
    scheme = _SCHEME.search(text) if ":" in text else None
    if scheme is None:
        return
    import base64  # these two take time to load, and most sources are no address
    from urllib.parse import quote, unquote

    rest = text[scheme.end() :]
    end = credentials_end(rest)
    last = [match.start() for match in _AT.finditer(rest, 0, end)]
    credentials = rest[: last[-1]] if last else ""
    user, colon, password = credentials.partition(":")
    secrets = [credentials, password if colon else user]
    secrets += [value for key, value in _pairs(rest[end:]) if not _is_harmless(key, value)]
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            decoded = unquote(secret)
            _known.update({secret, decoded, quote(decoded, safe=""), quote(decoded), repr(decoded)[1:-1]})
    if colon:
        _known.add(base64.b64encode(unquote(credentials).encode(errors="surrogateescape")).decode())


def remember_secret(secret: str) -> None:
    """Takes a secret that came by itself, as from a file."""
    if len(secret) >= _SHORTEST:
        _known.add(secret)


def _scrub_line(line: str) -> str:
    shown, position = "", 0
    schemes = list(_SCHEME.finditer(line))
    for number, scheme in enumerate(schemes, 1):
        if scheme.start() < position:
            continue  # within the address before
        limit = schemes[number].start() if number < len(schemes) else len(line)
        end = _end_of_address(line, scheme, limit)
        shown += _scrub_plain(line[position : scheme.start()]) + scheme[0]
        shown += _address(line[scheme.end() : end])
        position = end
    return shown + _scrub_plain(line[position:])


def _end_of_address(line: str, scheme: re.Match[str], limit: int) -> int:
    """Where an address in a line ends: at a blank, or at its closing quote, but for those within a password."""
    begin = scheme.end()
    before = line[scheme.start() - 1 : scheme.start()]
    blank = _find(r"\s", line, begin)
    end = _find(re.escape(before) + r"(?!\w)", line, begin) if before and before in "'\"<" else blank
    if line.find("@", end, blank) >= 0:
        end = blank
    # A list of addresses. What stands in the parameters of one belongs to it, be it an address.
    if end > limit and line[limit - 1] in ",;|" and not re.search(r"[?&#=]", line[begin:limit]):
        end = limit
    authority = re.split(r"[/?#\\]", line[begin:end], maxsplit=1)[0]
    if not _AT.search(line[begin:end]) and not _CLEAN_HOST.fullmatch(_TAIL.sub("", authority)):
        last = line.rfind("@", end, max(end, limit))
        if last >= 0:
            return _find(r"[\s'\"<>]", line, last)
    return end


def _find(pattern: str, line: str, begin: int) -> int:
    found = re.compile(pattern).search(line, begin)
    return found.start() if found else len(line)


def _scrub_plain(text: str) -> str:
    """A line, or part of one, without an address that has a scheme."""
    if "%3" in text:
        text = _ENCODED.sub(rf"\1{HIDDEN}", text)
    if ":" in text or "=" in text:
        text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
        text = _BARE.sub(f"{HIDDEN}@", text)
        text = _PAIR.sub(rf"\1{HIDDEN}", text)
    return text


def _address(rest: str) -> str:
    """What follows the scheme, without its secrets."""
    end = credentials_end(rest)
    shown = f"{HIDDEN}@" if end else ""
    rest = rest[end:]
    if end and not rest:
        return HIDDEN
    tail = _TAIL.search(rest)
    rest, after = (rest[: tail.start()], tail[0]) if tail and not rest.endswith("]") else (rest, "")
    rest, _, fragment = rest.partition("#")
    rest, question, query = rest.partition("?")
    host, *segments = re.split(r"[/\\]", rest)
    host, semicolon, _ = host.partition(";")
    shown += host if _CLEAN_HOST.fullmatch(host) else HIDDEN
    shown += f";{HIDDEN}" if semicolon else ""
    for segment in segments:
        shown += "/" + _segment(segment)
    if question:
        shown += "?" + _parameters(query)
    return shown + (f"#{HIDDEN}" if fragment else "") + after


def credentials_end(rest: str) -> int:
    """Where user and password end, after their @; 0 where there are none, all of it where that cannot be told.

    By the standard they hold no slash, and people write passwords as they are.
    """
    if _SURE_HOST.match(rest):
        return 0
    before_query = re.split("[?#]", rest, maxsplit=1)[0]
    ends = [match.end() for match in re.finditer("@", rest)]
    ends = ends or [match.end() for match in re.finditer("%40", before_query)]
    for end in ends:
        if _SURE_HOST.match(rest, end):
            return end
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    last = ends[-1] if ends else 0
    if not _AT.search(authority) and ":" not in rest[:last]:
        return 0
    return len(rest) if re.search("[?#=]", rest[:last]) else last


def _segment(segment: str) -> str:
    """Part of a path; cameras take parameters there as well."""
    name, semicolon, _ = segment.partition(";")
    if "=" in name:
        name = _parameters(name)
    elif _KEY.fullmatch(name):
        name = HIDDEN
    return name + (f";{HIDDEN}" if semicolon else "")


def _parameters(text: str) -> str:
    shown: list[str] = []
    for part in re.split("[&;]", text):
        key, _, value = part.partition("=")
        if part and _is_harmless(key, value):
            shown.append(part)
        elif part and shown[-1:] != [HIDDEN]:
            shown.append(HIDDEN)
    return "&".join(shown)


def _is_harmless(key: str, value: str) -> bool:
    return key.lower() in _HARMLESS and bool(_PLAIN.fullmatch(value))


def _pairs(rest: str) -> Iterator[tuple[str, str]]:
    """The parameters of an address, wherever they stand in it."""
    for part in re.split("[?&;/#]", rest):
        key, equals, value = part.partition("=")
        if equals:
            yield key, value
