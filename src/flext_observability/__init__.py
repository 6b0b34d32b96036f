"""The FLEXT observability foundation, on top of sluiceway's public names."""
