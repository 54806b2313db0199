"""Views of runs in the browser: tables and curves as Panel objects. Knows no store: ``execution`` reads."""
