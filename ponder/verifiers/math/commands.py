"""The words and commands of LaTeX and plain text that are read, and as what."""

FUNCTIONS = {
    "sin",
    "cos",
    "tan",
    "cot",
    "sec",
    "csc",
    "sinh",
    "cosh",
    "tanh",
    "coth",
    "arcsin",
    "arccos",
    "arctan",
    "arccot",
    "asin",
    "acos",
    "atan",
    "log",
    "ln",
    "lg",
    "exp",
    "det",
    "gcd",
    "lcm",
    "max",
    "min",
    "deg",
    "dim",
    "arg",
    "sgn",
    "sign",
    "Re",
    "Im",
    "abs",
    "floor",
    "ceil",
    "sqrt",
    "cbrt",
    "root",
    "binom",
    "arcsec",
    "arccsc",
    "arcsinh",
    "arccosh",
    "arctanh",
    "arsinh",
    "arcosh",
    "artanh",
    "cis",
}
RENAMED = {
    **{"asin": "arcsin", "acos": "arccos", "atan": "arctan", "sgn": "sign", "arsinh": "arcsinh"},
    **{"factorial": "fact", "binomial": "binom", "ceiling": "ceil", "Abs": "abs"},
    **{"arcosh": "arccosh", "artanh": "arctanh"},
}
GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho varrho sigma "
    "varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar "
    "angle triangle measuredangle odot nabla partial aleph mho Re Im top perp square star prime AA imath jmath bot "
    "parallel forall exists neg circ bullet"
)
OPERATORS = {
    **{"cdot": "*", "times": "*", "ast": "*", "div": "/", "over": "over", "pm": "+-", "mp": "-+", "colon": ":"},
    **{"le": "<=", "leq": "<=", "leqslant": "<=", "ge": ">=", "geq": ">=", "geqslant": ">=", "lt": "<", "gt": ">"},
    **{
        "ne": "!=",
        "neq": "!=",
        "in": "in",
        "notin": "notin",
        "approx": "~",
        "simeq": "~",
        "sim": "sim",
        "equiv": "===",
    },
    **{"cup": "cup", "bigcup": "cup", "cap": "cap", "setminus": "\\", "backslash": "\\", "smallsetminus": "\\"},
    **{"mid": "|", "vert": "|", "lvert": "|", "rvert": "|", "|": "||", "Vert": "||", "lVert": "||", "rVert": "||"},
    **{"to": "->", "rightarrow": "->", "Rightarrow": "=>", "implies": "=>", "iff": "<=>", "Leftrightarrow": "<=>"},
    **{"land": "land", "wedge": "land", "lor": "lor", "vee": "lor", "subset": "subset", "subseteq": "subset"},
    **{"choose": "choose", "mapsto": "->", "cdotp": "*", "propto": "propto", "cong": "cong", "cupdot": "cup"},
    **{"%": "%", "$": "$", "{": "\\{", "}": "\\}", "lbrace": "\\{", "rbrace": "\\}", "lbrack": "[", "rbrack": "]"},
    **{"lfloor": "lfloor", "rfloor": "rfloor", "lceil": "lceil", "rceil": "rceil", "langle": "(", "rangle": ")"},
    **{"pmod": "pmod", "bmod": "mod", "mod": "mod", "&": "&", "#": "#", "_": "_", "lgroup": "(", "rgroup": ")"},
}
SIGNS = {"**": "^", "==": "=", "=<": "<=", "->": "->"}
CONSTANTS = {"pi": "pi", "infty": "inf", "inf": "inf", "infinity": "inf", "Infinity": "inf", "oo": "inf"}
CONSTANTS |= {"emptyset": "empty", "varnothing": "empty", "e": "e", "i": "i"}
WITH_ARGUMENTS = {"frac", "sqrt", "binom", "sum", "prod", "int", "lim", "overline", "bar", "hat", "vec", "tilde", "dot"}
WITH_ARGUMENTS |= {"widehat", "overrightarrow", "overarc", "ddot", "widetilde", "iint", "oint"}
IGNORED = {
    "mathbf",
    "mathit",
    "boldsymbol",
    "bm",
    "mathcal",
    "mathscr",
    "mathfrak",
    "mathsf",
    "mathrm",
    "mathbb",
    "pmb",
    "mathtt",
}
IGNORED |= {
    "underline",
    "uline",
    "text",
    "operatorname",
    "ensuremath",
    "boxed",
    "fbox",
    "displaylines",
    "mathop",
    "mathord",
    "smash",
    "nonumber",
    "hfill",
}
ORDINALS = ("st", "nd", "rd", "th")
SHORT_WORDS = ("per", "old", "yes", "no", "odd", "one", "two", "six", "ten", "all", "not")
DOTS = {"dots", "ldots", "cdots", "dotsc", "dotsb", "vdots", "ddots", "dotsm"}
GREEK_NAMES = set(GREEK.split())
RELATIONS = ("=", "<", "<=", ">", ">=", "!=", "in", "notin", "~", "===", "->", "=>", "<=>", "subset", "propto", "cong")
INEQUALITIES = ("<", "<=", ">", ">=", "!=")
