"""Configuration: frozen dataclasses from one YAML file and the environment."""
