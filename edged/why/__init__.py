"""Why an event came: the scores around it, kept beside the journal, and what they say."""
