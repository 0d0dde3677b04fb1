"""Whether the pictures are still what they were: in training, and before this camera.

`statistics.py` puts a picture into a few numbers, `summary.py` compares many with those of training
pictures, `usual.py` learns what is usual before a camera, and `watch.py` finds out, over minutes,
what is no longer so and why.
"""
