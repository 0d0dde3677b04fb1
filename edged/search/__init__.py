"""Search in one's own pictures: what a model has said of each is kept in an index."""
