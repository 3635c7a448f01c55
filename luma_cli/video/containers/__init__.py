"""What the bytes of each container say: MP4 and MOV, AVI, and the names of the others."""
