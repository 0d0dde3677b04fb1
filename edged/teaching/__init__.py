"""Labels that the owner teaches: pictures become examples, and examples a head over a model."""
