"""The house's own rules, checked on the tracked files: what goes where, and who may know whom."""
