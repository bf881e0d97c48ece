"""Messages to token ids and back: template rendering, thinking policy, and the parser of a model's output.

    renderer = Renderer.load(checkpoint)                      # ponder.chat.renderer
    prompt = renderer.render(messages, tools)                 # Prompt(ids, text, thinking_open)
    parser = OutputParser(renderer, prompt.thinking_open)     # ponder.chat.parser
    policy = resolve_thinking(request)                        # ponder.chat.thinking
    repeat = RepeatDetector().push(ids)                       # ponder.chat.loops

The modules are imported by name, so that nobody pays for a part that is not used.
"""
