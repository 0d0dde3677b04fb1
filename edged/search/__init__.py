"""Search in one's own pictures: an index stores the model's answers."""
