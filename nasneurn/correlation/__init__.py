"""Whether architectures that are near each other gain alike by a stem."""
