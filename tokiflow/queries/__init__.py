"""Reads for pages and API: select → rows or small dataclasses. Nothing here writes."""
