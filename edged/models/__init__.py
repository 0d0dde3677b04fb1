"""Models as files: which there are, how they come here, and whether one may be loaded."""
