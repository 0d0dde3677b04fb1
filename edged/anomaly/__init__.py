"""What is different from a view that is normal, learned from normal pictures alone.

Each position of an activation map of the model has a vector; how far it is from the mean of that
position, in units of the covariance that all positions share (the Mahalanobis distance), is how
different the picture is there. PaDiM (Defard et al., 2021) has a covariance for each position,
which twenty pictures do not give. Copies of the pictures in another light are learned too, so that
the covariance has what light does to the vectors.
"""
