"""The report of a comparison: tables, pictures, one HTML page."""
