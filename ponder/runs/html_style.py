"""How report.html looks, and the few lines of script it runs."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1d2733; --muted: #66727f; --rule: #e5e9ed; --tint: #f6f8f9;
  --learned: #14796d; --taught: #4f74a3; --length: #ad5b28; --entropy: #78539a; --bad: #b3392f;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #12171d; --ink: #e4e9ee; --muted: #97a3af; --rule: #2a323b; --tint: #1a2129;
    --learned: #4fc3b3; --taught: #8fb1dc; --length: #e0996a; --entropy: #bd9bd8; --bad: #ee8379;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "Noto Sans", "Liberation Sans", "DejaVu Sans", sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 2.5rem clamp(1rem, 4vw, 3rem) 4rem; }
h1 { margin: 0; font-size: clamp(1.9rem, 6vw, 2.8rem); line-height: 1.15; letter-spacing: -.02em;
  overflow-wrap: anywhere; }
h2 { margin: 0 0 1rem; font-size: 1.3rem; letter-spacing: -.01em; }
h3 { margin: 0 0 .6rem; font-size: .95rem; display: flex; flex-wrap: wrap; gap: .3rem .6rem; align-items: center; }
section { margin-top: 3.2rem; }
.eyebrow, .note, figcaption, footer, th small, .verdicts small, .expected { color: var(--muted); font-size: .875rem; }
.eyebrow { margin: 0 0 .4rem; overflow-wrap: anywhere; }
.eyebrow span { margin-left: .6rem; font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
.lead { margin: .5rem 0 0; font-size: 1.15rem; }
.note { margin: .6rem 0; }
.paused { margin: .8rem 0 0; padding: .7rem 1rem; border-left: 3px solid var(--bad); background: var(--tint);
  overflow-wrap: anywhere; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, "Liberation Mono", "DejaVu Sans Mono", monospace; }

.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.2rem, 1fr)); gap: 1px; padding: 0;
  margin: 1.8rem 0 0; list-style: none; border-block: 1px solid var(--rule); }
.figures li { padding: 1rem 1rem 1rem 0; }
.figures b { display: block; font-size: 1.75rem; line-height: 1.25; letter-spacing: -.02em; white-space: nowrap; }
.figures li:first-child b { color: var(--learned); }
.figures small { font-size: 1.1rem; font-weight: 500; color: var(--muted); }
.figures span { color: var(--muted); font-size: .875rem; }

.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .6rem .9rem .6rem 0; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap;
  vertical-align: baseline; }
thead th { color: var(--muted); font-size: .82rem; font-weight: 500; }
th:first-child { text-align: left; }
th small { display: block; font-weight: 400; }
td:last-child, thead th:last-child { padding-right: 0; }
.training { margin-top: 1.6rem; max-width: 40rem; }
.bar { display: inline-block; position: relative; width: 6rem; height: .5rem; margin-left: .6rem; border-radius: 1rem;
  background: var(--rule); vertical-align: middle; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.bar i { position: absolute; inset-block: 0; left: calc(var(--low) * 100%); right: calc((1 - var(--high)) * 100%);
  min-width: 2px; border-radius: 1rem; background: var(--learned); opacity: .4; }
.bar b { position: absolute; top: -.15rem; left: calc(var(--at) * 100% - .2rem); width: .4rem; height: .8rem;
  border-radius: 1rem; background: var(--learned); }

.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(28rem, 100%), 1fr)); gap: 2rem 2.5rem; }
figure { margin: 0; break-inside: avoid; }
figure svg { display: block; width: 100%; height: auto; overflow: visible; }
figcaption { margin-bottom: .5rem; }
figcaption b { display: block; color: var(--ink); font-size: 1rem; }

.filter { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1rem 0; }
.filter button { font: inherit; font-size: .875rem; color: var(--ink); background: none; border: 1px solid var(--rule);
  border-radius: 2rem; padding: .3rem .85rem; cursor: pointer; }
.filter button[aria-pressed=true] { background: var(--ink); color: var(--paper); border-color: var(--ink); }
.filter b { font-weight: 600; opacity: .7; }
:focus-visible { outline: 2px solid var(--taught); outline-offset: 2px; }

.problem { border-top: 1px solid var(--rule); }
.problem:last-of-type { border-bottom: 1px solid var(--rule); }
.problem[hidden] { display: none; }
.problem > summary { display: flex; flex-wrap: wrap; gap: .4rem 1.5rem; align-items: center; padding: .7rem 0;
  cursor: pointer; list-style: none; }
.problem > summary::-webkit-details-marker { display: none; }
.problem > summary::before { content: "+"; flex: none; width: 1rem; margin-right: -.9rem; color: var(--muted); }
.problem[open] > summary::before { content: "\\2212"; }
.question { flex: 1 1 16rem; min-width: 0; overflow-wrap: anywhere; white-space: pre-line; unicode-bidi: isolate; }
.problem:not([open]) .question { display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical;
  overflow: hidden; }
.verdicts { display: flex; flex-wrap: wrap; gap: .3rem 1rem; }
.verdicts > span { display: flex; flex-direction: column; width: 7.2rem; line-height: 1.35; }
.badge { font-size: .85rem; font-weight: 600; white-space: nowrap; color: var(--muted); }
.badge.correct { color: var(--learned); }
.badge.wrong { color: var(--bad); }
.expected { margin: 0 0 .8rem; overflow-wrap: anywhere; }
.expected code { color: var(--ink); }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(17rem, 100%), 1fr)); gap: 1rem;
  margin-bottom: 1.4rem; }
.failures { margin-top: 1.2rem; }
article { min-width: 0; padding: .9rem 1rem; border-radius: .5rem; background: var(--tint); }
article .note { margin: .5rem 0 0; }
article details { margin-bottom: .5rem; color: var(--muted); }
summary { cursor: pointer; }
pre { margin: 0; font-size: .82rem; line-height: 1.5; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 22rem;
  overflow: auto; unicode-bidi: isolate; }
article details pre { padding: .4rem 0 .4rem .7rem; border-left: 2px solid var(--rule); }

dl { margin: 0; }
.facts div { display: grid; grid-template-columns: 8rem 1fr; gap: 1rem; padding: .35rem 0; }
.words { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1.1rem 2.5rem; }
dt { font-weight: 600; }
.facts dt { font-weight: 400; color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
.words dd { color: var(--muted); font-size: .92rem; }
.phases { margin: 1.2rem 0; }
.phases > div { display: flex; gap: 2px; height: .6rem; border-radius: 1rem; overflow: hidden;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.phases ul { display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; padding: 0; margin: .6rem 0 0; list-style: none;
  font-size: .875rem; color: var(--muted); }
.phases li i { display: inline-block; width: .6rem; height: .6rem; margin-right: .45rem; border-radius: 1rem; }
.phases .sample { background: var(--length); } .phases .verify { background: var(--entropy); }
.phases .learn { background: var(--learned); }
.recipe pre { margin-top: .6rem; padding: 1rem; border-radius: .5rem; background: var(--tint); max-height: 40rem; }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--rule); }

@media (max-width: 40rem) {
  .bar { display: none; }
  .facts div { grid-template-columns: 1fr; gap: 0; }
  .figures b { font-size: 1.35rem; }
  .figures small { font-size: 1rem; }
  figure svg { width: 95%; }
  figure svg text { font-size: 16px !important; }
  .verdicts > span { width: 5.6rem; }
  .verdicts { gap: .3rem .4rem; }
  .question { flex-basis: 85%; }
}
@media print {
  body { font-size: 9.5pt; }
  main { max-width: none; padding: 0; }
  section { margin-top: 1.6rem; }
  h2 { break-after: avoid; }
  .filter, .bar { display: none; }
  th, td { white-space: normal; padding-right: .6rem; }
  article, .problem > summary, tr, .words div { break-inside: avoid; }
  .problem > summary { break-after: avoid; padding: .3rem 0; }
  .answers { grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .6rem; }
  .curves { grid-template-columns: 1fr 1fr; gap: 1rem 1.5rem; }
  pre { max-height: none !important; }
}
"""

SCRIPT = """
const buttons = document.querySelectorAll("[data-show]");
const problems = document.querySelectorAll(".problem");
for (const button of buttons) button.addEventListener("click", () => {
  const show = button.dataset.show;
  for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
  for (const problem of problems) problem.hidden = show !== "all" && problem.dataset.change !== show;
});
"""
