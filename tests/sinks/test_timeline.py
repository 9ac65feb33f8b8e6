"""The timeline picture."""

from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from msgspec import structs
from readings import face, reading

from edgefer.errors import SinkError, UsageError
from edgefer.labels import FERPLUS8
from edgefer.sinks import open_sink
from edgefer.sinks.timeline import TimelinePicture, lanes, picture
from edgefer.sinks.timeline.lanes import Lanes, shares
from edgefer.support.palette import colours_of


def at(t_s, *faces, source="clip.mp4", image=""):
    return structs.replace(reading(0, *faces), t_s=t_s, source=source, image=image)


def gathered(*readings):
    kept = Lanes()
    for one in readings:
        kept.add(one)
    kept.finish()
    return kept


def words(canvas):
    root = ElementTree.fromstring(canvas.svg())
    return [child.text for child in root if child.tag.endswith("}text")]


def colours_in(path):
    image = cv2.imread(str(path))[..., ::-1]
    return {label for label, colour in colours_of(FERPLUS8).items() if (image[200:] == colour).all(-1).sum() > 300}


def test_a_reading_lasts_until_the_next_one():
    kept = gathered(*(at(0.1 * n, face(1, "anger" if n < 3 else "happiness")) for n in range(10)))
    (lane,) = kept.longest_seen(5)
    assert lane.seen_s == pytest.approx(1.0) and kept.end_s == pytest.approx(1.0)
    assert shares(lane.total) == [("happiness", pytest.approx(0.7)), ("anger", pytest.approx(0.3))]
    assert lane.total.strongest() == ("happiness", pytest.approx(0.7))


def test_a_face_that_is_away_leaves_a_gap():
    kept = gathered(*(at(0.1 * n, *([] if 10 <= n < 20 else [face(1)])) for n in range(30)))
    (lane,) = kept.longest_seen(5)
    seen = np.array(sorted(lane.slots)) * kept.slot_s
    assert lane.seen_s == pytest.approx(2.0)
    assert not ((seen > 1.01) & (seen < 1.94)).any()


def test_a_source_that_gave_no_picture_for_a_while_leaves_a_gap():
    kept = gathered(*(at(0.04 * n + (20 if n >= 50 else 0), face(1)) for n in range(100)))
    (lane,) = kept.longest_seen(5)
    assert lane.seen_s == pytest.approx(4.0 + 1.0, abs=0.1)  # the reading before the gap is held for a second


def test_a_slow_source_leaves_none():
    kept = gathered(*(at(5.0 * n, face(1)) for n in range(12)))
    (lane,) = kept.longest_seen(5)
    assert lane.seen_s == pytest.approx(60, abs=5)


def test_memory_is_bounded_over_hours_and_thousands_of_people(monkeypatch):
    monkeypatch.setattr(lanes, "MOST_LANES", 20)
    kept = Lanes()
    for n in range(6000):  # one person who stays, and a new one every two minutes
        kept.add(at(10.0 * n, face(1), face(2 + n // 12, "anger")))
    kept.finish()
    assert kept.tracks == 501
    shown = kept.longest_seen(100)
    assert len(shown) <= 20 and shown[0].track == 1
    assert shown[0].seen_s == pytest.approx(60_000, abs=20)  # until the usual interval is known
    assert max(len(lane.slots) for lane in shown) <= lanes.MOST_SLOTS and kept.slot_s > 50
    assert sum(slot.seconds["happiness"] for slot in shown[0].slots.values()) == pytest.approx(60_000, abs=20)


def test_time_that_begins_late_or_starts_again_is_taken_as_it_is():
    late = gathered(*(at(3600 + 0.04 * n, face(1)) for n in range(50)))
    assert late.slot_s == lanes.FIRST_SLOT_S and late.first_s == 3600
    again = gathered(*(at(0.04 * (n % 25), face(1)) for n in range(50)))
    assert again.longest_seen(1)[0].seen_s == pytest.approx(2.0)


def test_each_source_has_its_own_tracks():
    kept = gathered(*(at(0.04 * n, face(1), source=name) for name in ("b.mp4", "a.mp4") for n in range(25)))
    assert [(lane.source, lane.track) for lane in kept.longest_seen(9)] == [("b.mp4", 1), ("a.mp4", 1)]
    assert kept.tracks == 2
    text = words(picture.draw(kept, FERPLUS8, "2 films", 20))
    assert "b.mp4" in text and "a.mp4" in text and text.count("#1") == 2


@pytest.mark.parametrize(("people", "shown"), [(1, 1), (5, 5), (30, 20)])
def test_the_longest_seen_have_a_lane_and_the_others_are_counted(people, shown):
    kept = gathered(*(at(0.1 * n, *(face(k + 1) for k in range(min(people, 1 + n)))) for n in range(people + 2)))
    text = words(picture.draw(kept, FERPLUS8, "clip", 20))
    assert [word for word in text if word.startswith("#")] == [f"#{k + 1}" for k in range(shown)]
    assert any("10 more tracks" in word for word in text) == (people == 30)
    assert set(FERPLUS8) | {"uncertain", "clip"} <= set(text)


def test_no_two_words_of_a_lane_overlap():
    kept = gathered(*(at(0.5 * n, face(99999)) for n in range(3)))
    kept.longest_seen(1)[0].total.seconds["happiness"] = 359_999.0
    canvas = picture.draw(kept, FERPLUS8, "clip", 20)
    texts = [child for child in ElementTree.fromstring(canvas.svg()) if child.tag.endswith("}text")]
    (number,) = [t for t in texts if t.text == "#99999"]
    (seen,) = [t for t in texts if t.text == "99:59 h"]
    right = float(number.get("x")) + picture.text_width("#99999", float(number.get("font-size")))
    assert right < float(seen.get("x")) - picture.text_width("99:59 h", float(seen.get("font-size")))


def test_a_run_without_a_face_says_so():
    assert "no face was seen" in words(picture.draw(gathered(at(0.0), at(1.0)), FERPLUS8, "clip", 20))


def test_a_single_reading_makes_a_picture():
    text = words(picture.draw(gathered(at(0.0, face(1))), FERPLUS8, "clip", 20))
    assert "0.04 s" in text and "#1" in text


@pytest.mark.parametrize(
    ("span", "marks", "unit"),
    [
        (0.12, "0.12", "s"),
        (10, "10", "s"),
        (90, "90", "s"),
        (600, "10:00", "min:s"),
        (10_800, "3:00", "h:min"),
        (7 * 86_400, "168:00", "h:min"),
    ],
)
def test_the_axis_counts_in_seconds_minutes_or_hours(span, marks, unit):
    kept = Lanes()
    kept.add(at(0.0))
    kept.end_s = span
    text = words(picture.draw(kept, FERPLUS8, "clip", 20))
    assert marks in text and f"media time, {unit}" in text
    axis = picture._Axis(kept)
    assert 3 <= len(axis.marks()) <= 13
    assert axis.x(0) < axis.x(span) <= picture.WIDTH


def test_lengths_of_time():
    assert [picture.duration(s) for s in (0.124, 12.04, 59.96, 185, 3599.6, 7440)] == [
        "0.12 s", "12.0 s", "1 min 0 s", "3 min 5 s", "1 h 0 min", "2 h 4 min"
    ]  # fmt: skip


def test_uncertain_is_hatched_and_each_expression_has_its_colour(tmp_path):
    path = tmp_path / "seen.png"
    sink = open_sink(f"timeline:{path},tracks=3", labels=FERPLUS8, title="clip")
    for n in range(90):
        strongest = ("happiness", "sadness", "fear")[n // 30]
        sink.write(at(0.04 * n, face(1, strongest, ("small",) if n < 30 else ())))
    assert not path.exists()
    sink.close()
    sink.close()
    assert colours_in(path) == {"sadness", "fear"}


def test_an_endless_run_leaves_a_picture_now_and_then(tmp_path):
    path, now = tmp_path / "seen.svg", [0.0]
    sink = TimelinePicture(str(path), FERPLUS8, "camera", clock=lambda: now[0])
    written = []
    for n in range(1000):
        now[0] = 0.1 * n
        sink.write(at(0.1 * n, face(1)))
        if path.exists() and (not written or path.read_bytes() != written[-1]):
            written.append(path.read_bytes())
    assert len(written) == 3  # after 30, 60 and 90 seconds
    assert all(ElementTree.fromstring(data) is not None for data in written)


def test_a_run_without_a_frame_writes_nothing(tmp_path):
    (tmp_path / "seen.png").write_bytes(b"old")
    TimelinePicture(str(tmp_path / "seen.png")).close()
    assert (tmp_path / "seen.png").read_bytes() == b"old"


def test_photographs_have_no_timeline(tmp_path, caplog):
    sink = TimelinePicture(str(tmp_path / "seen.png"), FERPLUS8)
    for name in ("a.jpg", "b.jpg"):
        sink.write(at(0.0, face(1), image=name))
    assert caplog.text.count("photographs have no time and are left out") == 1
    with pytest.raises(SinkError, match="photographs have no time"):
        sink.close()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_refused_at_once(tmp_path):
    with pytest.raises(UsageError, match=r"path: expected a text such as seen\.png, seen\.svg, got"):
        open_sink(f"timeline:{tmp_path / 'seen.jpg'}")
    with pytest.raises(UsageError, match=r"unknown kind of picture '\.jpg'; available: \.png, \.svg"):
        TimelinePicture(str(tmp_path / "seen.jpg"))
    with pytest.raises(SinkError, match="No such file or directory; choose another path"):
        open_sink(f"timeline:{tmp_path / 'missing' / 'seen.png'}")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SinkError, match="it is a folder; name a file"):
        open_sink(f"timeline:{tmp_path / 'folder.png'}")


def test_a_disk_that_fills_up_keeps_the_last_picture(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    sink = TimelinePicture(str(tmp_path / "seen.png"), FERPLUS8)
    sink.write(at(0.0, face(1)))
    monkeypatch.setattr("edgefer.sinks.timeline.write_bytes", full)
    with pytest.raises(SinkError, match="No space left on device"):
        sink.close()


def test_a_disk_that_can_be_written_again_gets_the_whole_picture(tmp_path, monkeypatch, caplog):
    """It is said once that it cannot, and once that it can."""
    now, written = [0.0], []

    def full(path, data):
        raise OSError(30, "Read-only file system")

    sink = TimelinePicture(str(tmp_path / "seen.svg"), FERPLUS8, clock=lambda: now[0])
    monkeypatch.setattr("edgefer.sinks.timeline.write_bytes", full)
    for index in range(4):
        sink.write(at(100.0 * index, face(1)))
        now[0] += 100
    monkeypatch.setattr("edgefer.sinks.timeline.write_bytes", lambda path, data: written.append(path))
    sink.write(at(500.0, face(1)))
    sink.close()
    assert len(written) == 2
    assert ["tried again" in record.getMessage() for record in caplog.records] == [True, False]


def test_strange_names_become_text(tmp_path):
    path = tmp_path / "seen.svg"
    sink = TimelinePicture(str(path), FERPLUS8, "<a>\x1b[31m&\udce9" + "x" * 500)
    for source in ("\x07.mp4", "日本語.mp4"):
        sink.write(at(0.0, face(1), source=source))
    sink.close()
    text = " ".join(child.text for child in ElementTree.parse(path).getroot() if child.tag.endswith("}text"))
    assert "<a>\\x1b[31m&\\xe9" in text and "\\x07.mp4" in text and "日本語.mp4" in text
