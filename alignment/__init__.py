"""Architecture alignment: architectures as token sequences, scores and representatives."""
