"""Networks for clips, whose classes may lie in the order of frames, and what feeds them."""
