"""What nalsil's pool promises and the stock pool does not keep, each as a program of its own."""
