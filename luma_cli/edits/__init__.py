"""What is done with clips: submit, poll, save."""
