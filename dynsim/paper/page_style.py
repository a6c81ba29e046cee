"""How report.html looks: one column, wide or narrow, without anything from elsewhere."""

CSS = """
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #1b1b1b; font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 1rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 1rem 0 .5rem; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .75rem; border-bottom: 1px solid #ccc; }
h3 { font: 600 1.1rem/1.3 ui-monospace, "DejaVu Sans Mono", monospace; margin: 0 0 .25rem; }
section { margin: 2rem 0; padding-top: .5rem; border-top: 1px solid #e3e3e3; scroll-margin-top: 1rem; }
p { margin: .4rem 0; }
.source, .parameters, .decided { color: #555; font-size: .875rem; overflow-wrap: anywhere; }
.decided { display: block; font-size: .8rem; }
.off, .missing { border-left: 4px solid #8a5a00; padding: .1rem .75rem; background: #fbf6ec; }
table { border-collapse: collapse; font-size: .875rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #e3e3e3; }
th { border-bottom: 2px solid #999; white-space: nowrap; }
td { font-variant-numeric: tabular-nums; }
#claims { width: 100%; }
#claims .said { min-width: 20rem; }
#claims .number { text-align: right; white-space: nowrap; }
#claims tr:target, section:target { background: #fdfbe8; }
.wide { overflow-x: auto; }
a { color: #0a4f93; }
figure { margin: .75rem 0; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: #333; font-size: .9rem; max-width: 75ch; margin-top: .4rem; }
.title { font-weight: 600; margin-top: .75rem; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: #0a4f93; }
pre { background: #f5f5f5; padding: .6rem .8rem; overflow-x: auto; font-size: .85rem; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .92em; }
.badge { display: inline-block; white-space: nowrap; padding: 0 .45rem; border-radius: .3rem; border: 1px solid;
  font: 600 .78rem/1.6 system-ui, "DejaVu Sans", sans-serif; }
.agrees { color: #0b4a8f; background: #e9f2fb; }
.explained { color: #6b4700; background: #fbf1dc; }
.inconclusive { color: #444; background: #eee; }
.disagrees, .failed { color: #fff; background: #a3260b; border-color: #a3260b; }
@media (max-width: 1000px) {
  #claims thead { display: none; }
  #claims, #claims tbody, #claims tr, #claims td { display: block; }
  #claims tr { border: 1px solid #ccc; border-radius: .4rem; margin: .75rem 0; padding: .3rem .2rem; }
  #claims .said { min-width: 0; }
  #claims td { border: 0; padding: .15rem .6rem; overflow-wrap: anywhere; }
  #claims .number { text-align: left; }
  #claims td::before { content: attr(data-label) ": "; color: #555; }
  #claims td.said::before, #claims td:first-child::before { content: none; }
}
@media print { details { display: block; } section { break-inside: avoid; } }
"""
