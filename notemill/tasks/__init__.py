"""What is asked: prompts and schema, and what makes an experiment the same experiment."""
