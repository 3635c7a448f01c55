"""What was submitted and paid, on disk before it is sent."""
