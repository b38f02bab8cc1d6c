"""Says, with evidence, which layer between a Cloud Run service and its Cloud SQL database is at fault."""

__version__ = "0.2.0"
