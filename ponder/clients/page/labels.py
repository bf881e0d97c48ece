"""What the page says, in English and Chinese."""

from typing import Literal

Language = Literal["en", "zh"]

TABLE: dict[str, tuple[str, str]] = {
    # header
    "skip": ("Skip to the message box", "跳到输入框"),
    "new_chat": ("New chat", "新对话"),
    "settings": ("Settings", "设置"),
    "switch": ("中文", "English"),
    "context": ("Context", "上下文"),
    "tokens_used": ("{used} / {most} tokens", "{used} / {most} 词元"),
    # composer
    "message": ("Message", "消息"),
    "placeholder": ("Ask something", "请输入问题"),
    "send": ("Send", "发送"),
    "stop": ("Stop", "停止"),
    "answer_now": ("Answer now", "立即回答"),
    "thinking": ("Thinking", "思考"),
    "budget": ("Budget", "预算"),
    "budget_long": ("Most tokens of thinking", "思考最多使用的词元数"),
    "no_limit": ("no limit", "不限"),
    "keys": ("Enter sends, Shift+Enter: new line, Esc stops", "回车发送，Shift+回车换行，Esc 停止"),
    # transcript
    "conversation": ("Conversation", "对话"),
    "you": ("You", "你"),
    "empty": ("What shall we think about?", "想聊点什么？"),
    "empty_hint": (
        "The model thinks before it answers. You can read along, end the thinking with Answer now, or switch it off.",
        "模型会先思考再回答。你可以阅读思考过程，用“立即回答”结束思考，也可以关闭思考。",
    ),
    "latest": ("Go to the end", "回到底部"),
    "waiting": ("Waiting for the model...", "等待模型..."),
    "thinking_for": ("Thinking... {time}", "正在思考... {time}"),
    "thinking_for_tokens": ("Thinking... {time}, {tokens} tokens", "正在思考... {time}，{tokens} 词元"),
    "thought_for": ("Thought for {time}", "思考了 {time}"),
    "thought_for_tokens": ("Thought for {time}, {tokens} tokens", "思考了 {time}，{tokens} 词元"),
    "seconds": ("{seconds} s", "{seconds} 秒"),
    "instant": ("less than 0.1 s", "不到 0.1 秒"),
    "minutes": ("{minutes} min {seconds} s", "{minutes} 分 {seconds} 秒"),
    "pace": (
        "Answer of {tokens} tokens; {rate} tokens/s; first token after {first} s",
        "回答 {tokens} 词元；{rate} 词元/秒；首词元 {first} 秒",
    ),
    "copy": ("Copy", "复制"),
    "copied": ("Copied", "已复制"),
    "copy_code": ("Copy code", "复制代码"),
    "copy_answer": ("Copy answer", "复制回答"),
    "copy_thoughts": ("Copy thoughts", "复制思考"),
    "retry": ("Retry", "重试"),
    "edit": ("Edit", "编辑"),
    "save": ("Save and send", "保存并发送"),
    "cancel": ("Cancel", "取消"),
    "earlier": ("Earlier version", "上一版本"),
    "later": ("Later version", "下一版本"),
    "continue": ("Continue", "继续"),
    # tools
    "tool": ("Tool {name}", "工具 {name}"),
    "call_writing": ("writing the call...", "正在生成调用..."),
    "call_waiting": ("waits for its result", "等待结果"),
    "call_done": ("done", "已完成"),
    "call_broken": ("arguments are not JSON", "参数不是 JSON"),
    "arguments": ("Arguments", "参数"),
    "result": ("Result", "结果"),
    "send_result": ("Send result", "发送结果"),
    "result_hint": ("What did the tool return?", "工具返回了什么？"),
    # notices
    "stopped_thinking": ("Stopped while thinking", "思考时已停止"),
    "stopped_answering": ("Stopped while answering", "回答时已停止"),
    "budget_reached": ("Thinking budget reached", "已达到思考预算"),
    "asked_to_answer": ("Thinking ended at your request", "已按你的要求结束思考"),
    "loop_rescued": (
        "The thinking repeated itself and was ended; the answer goes on from there",
        "思考出现重复，已被结束并继续作答",
    ),
    "cut_off": ("Cut off at the token limit", "已达到长度上限，回答被截断"),
    "cut_off_thinking": ("Cut off at the token limit while thinking", "思考时达到长度上限"),
    "repetition": ("The answer repeated itself and was stopped", "回答出现重复，已停止"),
    "yarn": ("Long-context mode (YaRN x{factor})", "长上下文模式（YaRN x{factor}）"),
    "error": ("Error: {reason}", "错误：{reason}"),
    "no_answer": ("The model said nothing", "模型没有给出回答"),
    "lost": ("The connection to the server is lost. Trying again...", "与服务器的连接已断开，正在重试..."),
    "interrupted": ("The connection was lost before the end", "连接中断，回答未完成"),
    # status, for screen readers
    "status_thinking": ("Thinking", "正在思考"),
    "status_answering": ("Answering", "正在回答"),
    "status_complete": ("Answer complete", "回答完毕"),
    "status_stopped": ("Stopped", "已停止"),
    "status_failed": ("There was an error", "发生错误"),
    "status_tool": ("The model wants to call a tool", "模型请求调用工具"),
    # settings
    "system": ("System prompt", "系统提示词"),
    "temperature": ("Temperature", "温度 (temperature)"),
    "top_p": ("Top p", "Top p"),
    "top_k": ("Top k", "Top k"),
    "min_p": ("Min p", "Min p"),
    "max_tokens": ("Max tokens", "最大词元数"),
    "seed": ("Seed", "随机种子"),
    "tools": ("Tools: a JSON list of functions", "工具：函数的 JSON 列表"),
    "api_key": ("API key, where the server asks for one", "API 密钥（服务器要求时填写）"),
    "key_missing": (
        "This server asks for an API key: type it into Settings, under API key.",
        "该服务器需要 API 密钥：请在“设置”的“API 密钥”中填写。",
    ),
    "key_refused": (
        "The server does not accept this API key: type another into Settings, under API key.",
        "服务器不接受此 API 密钥：请在“设置”的“API 密钥”中重新填写。",
    ),
    "defaults": ("Empty fields leave the choice to the server.", "留空则由服务器决定。"),
    "bad_tools": (
        "Settings, Tools: this is no JSON list of functions ({reason})",
        "设置中的“工具”不是函数的 JSON 列表（{reason}）",
    ),
}


def label(language: Language, key: str, **fields: object) -> str:
    """One of the page's texts, its fields filled in."""
    text = TABLE[key][language == "zh"]
    return text.format(**fields) if fields else text


def all_labels(language: Language) -> dict[str, str]:
    """The whole table in one language."""
    return {key: texts[language == "zh"] for key, texts in TABLE.items()}


def language_of(asked: object) -> Language:
    """The nearest that we have to a language tag as browsers give it ("zh-CN"), English where there is none."""
    return "zh" if isinstance(asked, str) and asked.lower().startswith("zh") else "en"
