"""The recipe: its schema, reading it with line numbers, overrides, `extends`, and what each field affects."""
