"""The grids, one file each."""
