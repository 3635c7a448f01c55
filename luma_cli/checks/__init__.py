"""What can be known about an edit before money is spent."""
