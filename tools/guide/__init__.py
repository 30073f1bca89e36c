"""What `make guide` does: it measures every number of the guide and writes it where it stands."""
