"""A conversation with a model behind the API, from the client's side: shared by the chat page and the terminal."""
