"""What `edgefer run` reads from real clips: faces, identities, expressions and the age of its frames.

    python bench/clips.py CLIP …

The command line reads each clip in a process of its own, whole, and then with --realtime at its own
rate under the newest-frame rule, where no frame may be older than two frame intervals when it is read.
Exit status 1 when one was.
"""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from common import table

from edgefer.sources import open_source


def readings(clip: str, *options: str) -> list[dict]:
    """The JSON lines of one run."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "readings.jsonl"
        arguments = ["run", "--source", clip, "--output", f"jsonl:{output}", *options]
        subprocess.run([sys.executable, "-m", "edgefer", *arguments], check=True, stderr=subprocess.DEVNULL)
        return [json.loads(line) for line in output.read_text().splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", nargs="+")
    rows, late = [], False
    for clip in parser.parse_args().clip:
        source = open_source(clip)
        interval_ms = 1000 / source.fps
        source.close()
        for options in ([], ["--realtime"]):
            lines = readings(clip, *options)
            with_face = [line["frame"] for line in lines if line["faces"]]
            faces = [face for line in lines for face in line["faces"]]
            ages = sorted(line["age_ms"] / interval_ms for line in lines)
            late = late or (bool(options) and ages[-1] > 2)
            expressions = collections.Counter(face["expression"] for face in faces)
            rows.append(
                [
                    Path(clip).name,
                    "realtime" if options else "whole",
                    str(len(lines)),
                    f"{len(with_face) / len(lines):.1%}",
                    f"{with_face[0]}-{with_face[-1]}" if with_face else "none",
                    str(len({face["track"] for face in faces})),
                    f"{ages[len(ages) // 2]:.2f}",
                    f"{ages[-1]:.2f}" if options else "-",
                    ", ".join(f"{name} {count}" for name, count in expressions.most_common(3)),
                ]
            )
    header = ["clip", "read", "frames", "with a face", "from-to", "tracks", "age p50", "age max", "expressions"]
    print(table(header, rows))
    print("\nAges are in frame intervals of the clip.")
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
