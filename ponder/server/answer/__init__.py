"""From a request to an answer in the making: plans, grammars, the gateway to the engine."""
