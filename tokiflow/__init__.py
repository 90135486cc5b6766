"""Tokiflow watches scheduled jobs and tells the right people when one fails in silence."""

__version__ = "0.1.0"
