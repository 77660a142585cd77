"""What a stem will gain on a pair of domains, told from their unlabelled images alone."""
