"""Models as files: listing, fetching, and admission to the daemon."""
