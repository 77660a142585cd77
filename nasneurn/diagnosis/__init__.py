"""What a stem changes: in the images, in the network's features, and in its answers."""
