"""What a thread hop costs: pools, ways between a loop and threads, and what they leave behind."""
