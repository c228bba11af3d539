"""The page Through time."""
