"""What is shown: streams, progress, tables, JSON, the report."""
