"""Worker processes for verification that may hang, crash or exhaust the memory."""
