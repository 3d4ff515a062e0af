"""The model, the merge and the two contracts; pure, knows nothing of the other rooms."""
