"""What edged costs beside the bare invoke; run by ``make bench``, and no part of the package."""
