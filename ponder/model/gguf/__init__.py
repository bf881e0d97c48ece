"""GGUF, the file format of llama.cpp, in and out (extra `gguf`): one file that holds metadata, tokenizer and tensors."""
