"""What may be asked: the bodies of requests, what is refused, and the form of errors."""
