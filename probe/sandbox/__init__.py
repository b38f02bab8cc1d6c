"""The embedded staging environment and its faults: never in the image."""
