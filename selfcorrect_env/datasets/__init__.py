"""Problem sets: one file, one set."""
