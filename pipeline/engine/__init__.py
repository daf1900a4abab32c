"""Training one network and predicting with it: no files, no printing."""
