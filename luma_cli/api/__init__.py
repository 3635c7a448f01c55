"""The service: addresses, envelope, tasks, and the connections below."""
