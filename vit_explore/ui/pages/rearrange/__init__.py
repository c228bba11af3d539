"""The page Rearrange it."""
