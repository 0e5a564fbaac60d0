"""The environment inside other trainers that need no torch: a folder for each of them."""
