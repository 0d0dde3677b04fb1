"""What decisions are made from, kept exactly: recorded, read again, and decided once more."""
