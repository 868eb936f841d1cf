"""The Calendar page."""
