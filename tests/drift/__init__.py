"""Drift: what is usual before a camera, and what is no longer."""
