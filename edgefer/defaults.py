"""Defaults of what a profile can set; each is defined here and nowhere else."""

from __future__ import annotations

#: The model used where none is named.
MODEL = "edgefer-s"
#: Recognitions a second that the faces in view share, and how often each of them is recognized at least; smoothing
#: averages over longer.
RATE_HZ, TURNS_HZ = 6.0, 2.0

#: Search of the whole image while every face is being followed; twice as often while none is, or one is lost.
DETECT_INTERVAL_MS = 500.0
#: Faces smaller than this are not searched for, pixels of the source; and what it may be set to.
MIN_FACE_PX, MIN_FACE_PX_RANGE = 60, (20, 2000)
#: The same for photographs, which are searched at every size; a smaller min_face_px counts for them too.
STILL_FACE_PX = 30

#: A face with a smaller side is "small", pixels of the source.
MIN_SIDE_PX = 40.0
#: A face of lower sharpness (see values.Quality) is "blurred".
MIN_SHARPNESS = 0.018
#: Mean luma below and above which a face is "dark" or "bright".
MIN_BRIGHTNESS, MAX_BRIGHTNESS = 35.0, 225.0

#: Whether the gate looks at landmarks.
COVER = True
#: Least confidence of the landmark network in the eyes and in the mouth; below it a face is "occluded".
MIN_EYES, MIN_MOUTH = 0.7, 0.6
#: Yaw and roll of the head, degrees either way, beyond which a face is "turned" and "tilted".
MAX_YAW_DEG, MAX_ROLL_DEG = 40.0, 45.0
#: The landmark network, and how often the gate has it look at each face where nothing else needs points.
LANDMARK_MODEL = "edgefer-landmarks"
COVER_INTERVAL_MS = 200.0
#: With more faces than this in view, looks at each of them get rarer.
FULL_RATE_FACES = 4

#: Frames whose p95 is compared to the budget.
GOVERNOR_WINDOW_FRAMES = 90
#: Temperature of the processor from which work is left out.
MAX_TEMPERATURE_C = 80.0

#: How long a camera, a stream or a pipe that gives nothing is waited for.
PATIENCE_S = 30.0

#: No time is later and none lasts longer, s; in ns it is a number that can be counted in.
MOST_S = 1e12
