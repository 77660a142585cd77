"""Training: a network, its source images, a protocol and an algorithm, to measured weights."""
