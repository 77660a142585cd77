"""Model spaces for one-shot architecture search through NNI."""
