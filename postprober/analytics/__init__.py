"""Numbers about what was published: samples kept as Parquet, and DuckDB's queries over them."""
