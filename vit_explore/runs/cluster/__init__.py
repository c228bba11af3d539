"""Runs that train on the nodes of a Ray cluster. The head takes them from the queue and alone writes into the store;
a seat, one process on a node, trains and says what it did. Neither half knows Ray but `ray_seat`."""
