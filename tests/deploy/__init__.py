"""The files of deploy/ under the linters of those who made their formats."""
