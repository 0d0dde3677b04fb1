"""The page, the model APIs and the metrics: a separate process, a client of the daemon."""
