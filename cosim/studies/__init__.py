"""Many runs with one question: from a study file to a table, figures and a page."""
