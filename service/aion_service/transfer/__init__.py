"""Events in and out as files: lines of JSON, Parquet, the directory of an export, imports."""
