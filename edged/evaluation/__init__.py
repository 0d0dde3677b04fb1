"""How good a model is, and whether it may replace another.

`dataset` reads labelled pictures, `evaluation` runs a model over them as the daemon would,
`metrics` makes numbers of the outcomes, `examples` looks for what is wrong with the pictures,
`gate` and `blessing` decide between two models, `quantization` makes and compares versions of one.
"""
