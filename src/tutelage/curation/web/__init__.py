"""The page of `tutelage label`: a local server, and the files that a browser shows."""
