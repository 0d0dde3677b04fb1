"""Scenes made from real pictures, as a camera sees them: what reports and tests are measured on."""
