"""What all the rest takes for granted: scores become what is really there."""
