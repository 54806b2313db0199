"""Reading datasets into tables: files, expressions, row ids, split, profile and preparation."""
