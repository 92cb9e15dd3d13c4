"""What local pages in a browser share: a guarded server that only this machine reaches, and the files they all use."""
