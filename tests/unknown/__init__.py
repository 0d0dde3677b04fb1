"""How well edged tells what a model does not know, beside other methods."""
