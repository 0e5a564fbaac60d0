"""Problem sets that are generated: they need no data and no download."""
