"""Why a classifier answers as it does: which parts of an image speak for its class."""
