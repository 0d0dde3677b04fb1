"""The recipe of the bundled model: train, convert, measure, describe and publish it.

Run it with ``python -m models.recipe`` from the root of the repository.
"""
