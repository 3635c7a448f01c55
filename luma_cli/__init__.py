"""Edit videos with words: a command line for kie.ai's Luma Modify Video API."""

__version__ = "0.1.0"
