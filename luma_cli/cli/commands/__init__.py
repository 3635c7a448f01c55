"""What can be typed, one file per command."""
