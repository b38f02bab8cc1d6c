"""Pure functions from observations to findings and a verdict."""
