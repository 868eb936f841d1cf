"""The database: one file per noun, every function takes a connection of the unit of work."""
