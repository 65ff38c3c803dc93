"""What a departure sets off: offboarding, exposures, rotation jobs, the engine, the connectors to targets."""
