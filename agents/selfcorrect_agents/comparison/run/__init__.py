"""Running the cells of a comparison, each in a process of its own."""
