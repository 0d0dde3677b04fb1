"""Settings of a rule, searched on recordings whose truth somebody has marked."""
