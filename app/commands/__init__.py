"""What the command line does, one module a command; `app.cli` puts them together."""
