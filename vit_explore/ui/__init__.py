"""The app's side of the package, in floors: session ← kit ← explanations ← pages ← shell. None imports a higher one."""
