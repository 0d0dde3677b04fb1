"""edged: a vision sensor that stands on its own."""

__version__ = "0.2.0"
