"""Secrets that must not be shown."""

import pytest

from edgefer.support.redact import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://host/path", "rtsp://host/path"),
        ("rtsp://user:secret@host:554/path", "rtsp://host:554/path"),
        ("rtsp://user:se@cret@host/path@1", "rtsp://host/path@1"),
    ],
)
def test_user_and_password_are_left_out(url, shown):
    """A password may hold an @; what stands after the host may too."""
    assert without_password(url) == shown
