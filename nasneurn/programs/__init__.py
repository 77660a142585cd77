"""What a program calls, one file a subject; :mod:`nasneurn.api` names it all."""
