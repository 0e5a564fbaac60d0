"""The methods, one folder each; they never import each other."""
