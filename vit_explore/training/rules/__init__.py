"""One file per optimiser, discovered: a row without torch, which `make` imports when it is called."""
