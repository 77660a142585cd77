"""Studies: sets of trainings with one protocol, in one folder, resumed and shared."""
