"""The ground floor: errors, files, devices, random numbers, and the parts of a step. It knows nothing of the rest."""
