"""Where edits come from: a command line, a manifest, a task that is made again, the pieces of a clip."""
