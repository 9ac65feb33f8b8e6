"""The frame loop: capture, the pipeline from frame to reading, its clocks and its governor."""
