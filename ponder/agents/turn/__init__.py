"""One turn as a chain of segments: token ids in, token ids out, whoever asks."""
