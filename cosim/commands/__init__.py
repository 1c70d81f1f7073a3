"""The verbs of the command line: one a file, each with a main that takes its words."""
