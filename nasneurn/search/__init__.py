"""Searches: supernets trained through NNI, evolution over their paths, found architectures."""
