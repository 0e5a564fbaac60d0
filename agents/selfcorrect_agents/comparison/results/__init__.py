"""The results of a comparison: metrics of cells, statistics, the typed comparison."""
