"""Models in the field: bringing a new one to a device and into use, the way back, and signing one for that."""
