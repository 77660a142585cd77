"""The compiled loops of NeuRN on a CPU. Importing one of them loads numba."""
