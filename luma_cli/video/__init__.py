"""Looking into clips, and changing them with ffmpeg."""
