"""The frames that the model was least sure of, kept for people to say what they show."""
