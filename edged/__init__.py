"""edged: a stand-alone vision sensor."""

__version__ = "0.2.0"
