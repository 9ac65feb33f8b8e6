"""Films and network streams through PyAV: `library` loads it, `reader` owns an open input, `picture` shows a frame."""
