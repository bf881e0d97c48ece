"""Instructions about how the text begins and ends, and about commas."""

from ponder.verifiers.instructions.checked import Checked, quoted


def repeat_prompt(content: str, prompt_to_repeat: str) -> Checked:
    begins = content.strip().lower().startswith(prompt_to_repeat.lower())
    return Checked(begins, f"{'begins' if begins else 'does not begin'} with {quoted(prompt_to_repeat)}")


def end_checker(content: str, end_phrase: str) -> Checked:
    # In any case, and before closing quotes; a stop after the phrase is one sign too many.
    ends = content.strip().strip('"').lower().endswith(end_phrase.lower())
    return Checked(ends, f"{'ends' if ends else 'does not end'} with {quoted(end_phrase)}")


def quotation(content: str) -> Checked:
    # Straight quotes only.
    content = content.strip()
    wrapped = len(content) > 1 and content[0] == content[-1] == '"'
    return Checked(wrapped, f"is {'' if wrapped else 'not '}wrapped in double quotation marks")


def no_comma(content: str) -> Checked:
    # The ASCII comma only; others, such as the Chinese one, are allowed.
    count = content.count(",")
    return Checked(count == 0, f"{count} commas, asked for none")
