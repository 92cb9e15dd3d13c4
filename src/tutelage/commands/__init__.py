"""The verbs of the command line and of Python: each calls the library, prints, and writes files."""
