"""What is compared: configuration, cells, identities."""
