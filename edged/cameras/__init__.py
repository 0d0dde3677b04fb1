"""Cameras: every kind of source of frames behind one seam."""
