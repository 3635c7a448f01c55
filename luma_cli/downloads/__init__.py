"""Bytes to a file that is whole when it has its name."""
