"""What people ask of a project, a module each command."""
