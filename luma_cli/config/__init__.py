"""What holds for a run: settings, key store, TOML files."""
