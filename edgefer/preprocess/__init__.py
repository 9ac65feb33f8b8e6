"""From a face in an image to what a network takes; the same code trains, evaluates and runs."""
