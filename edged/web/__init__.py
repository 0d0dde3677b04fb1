"""The page, the model APIs and the metrics: a process of its own, a client of the daemon."""
