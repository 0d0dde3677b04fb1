"""Whether the pictures are still what they were: in training, and before this camera.

`look.py` puts a picture into a few numbers. `summary.py` compares many pictures with those of
training: the skew. `views.py` learns how the view of one camera usually looks, `causes.py` says
what speaks for a picture being no longer so, and `watch.py` makes events of that, over minutes.
"""
