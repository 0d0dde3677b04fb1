"""How good a model is, and whether it may replace another.

`dataset` reads labelled pictures, `evaluation` runs a model over them as the daemon would,
`metrics` turns the outcomes into numbers, `examples` looks for faults of the pictures, `gate` and
`blessing` decide between two models, `quantization` makes and compares versions of one.
"""
