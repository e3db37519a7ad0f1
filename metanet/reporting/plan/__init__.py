"""What a run makes: jobs, parameters, plan files."""
