"""The networks: one family per file, each importing torch and nothing of ours."""
