"""The points of a face and the pose of its head, found where something needs them."""
