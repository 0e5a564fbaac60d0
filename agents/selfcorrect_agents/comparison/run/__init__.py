"""Running the cells of a comparison in processes that take one after another."""
