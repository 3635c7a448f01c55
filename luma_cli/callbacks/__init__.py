"""What kie.ai sends to us."""
