"""The words of the project as frozen records and closed enums: no I/O, no clocks, no client library."""
