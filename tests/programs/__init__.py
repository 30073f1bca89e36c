"""Real programs on the loop under test, against real peers."""
