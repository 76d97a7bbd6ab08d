# SPDX-License-Identifier: Apache-2.0
"""How an evaluation's page looks: one style sheet, for narrow and wide, light and dark."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6675; --line: #d9dee6; --card: #f5f7fa;
  --good: #1f7a4d; --bad: #b3372f; --open: #9a6b00; --bar: #4673b8; --bar2: #9db4d6; --page: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #a2adbb; --line: #333c49;
  --card: #1b212b; --good: #58c08b; --bad: #ef8177; --open: #e0b050; --bar: #6d9be0; --bar2: #3f587d;
  --page: #12161d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0.5rem 0; } h2 { font-size: 1.15rem; margin: 2rem 0 0.5rem; }
a { color: var(--bar); } nav a { margin-right: 1rem; }
.soft { color: var(--soft); } .pass { color: var(--good); } .fail { color: var(--bad); }
.inconclusive { color: var(--open); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 0.3rem 0.8rem 0.3rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: normal; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.row { display: grid; grid-template-columns: 12rem 1fr 13rem; gap: 0.2rem 1rem; align-items: center;
  padding: 0.3rem 0; }
.track { position: relative; height: 1.1rem; background: var(--card); border-radius: 3px; }
.track span { position: absolute; display: block; }
.fill { top: 0; bottom: 0; left: 0; background: var(--bar); border-radius: 3px; }
.fill.other { background: var(--bar2); }
.range { top: 0.5rem; height: 2px; background: var(--ink); }
.mark { top: -2px; bottom: -2px; width: 2px; background: var(--bad); }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.5rem 0; padding: 0.4rem 0.8rem; }
summary { cursor: pointer; } details details { background: var(--card); }
pre { white-space: pre-wrap; background: var(--card); padding: 0.6rem; border-radius: 4px; margin: 0.4rem 0;
  font-size: 0.85rem; }
ul { margin: 0.3rem 0; padding-left: 1.2rem; }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
@media (max-width: 44rem) { .row { grid-template-columns: 1fr; gap: 0.1rem; }
  .sides { grid-template-columns: 1fr; } }
"""
