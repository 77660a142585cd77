"""Models that leave the tool: stems in front of any network, trained networks, other formats."""
