"""A method, a verifier, a problem set and prompts for selfcorrect-env."""
