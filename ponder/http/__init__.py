"""What both HTTP servers, the sandbox's and the model's, are made of."""
