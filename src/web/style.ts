/**
 * The one stylesheet of portal and console. Served as a file of ours, so that the content security policy can forbid
 * every inline style; system fonts, so that no other server hears of a visit. Colours keep WCAG 2.2 AA contrast in
 * both schemes; everything reflows at 320 px; targets are at least 44 px high.
 */
export const STYLE_PATH = '/assets/ecluse.css'

export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #fbfaf7; --card: #ffffff; --text: #1c2430; --soft: #4d5866; --line: #c9cfd6;
  --water: #0b5c8a; --water-text: #ffffff; --good: #14663a; --bad: #a31621; --mark: #fff3cf; --mark-text: #493700;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12171d; --card: #1a2129; --text: #e8edf2; --soft: #aab5c1; --line: #3c4752;
    --water: #7cc4ee; --water-text: #0a1c28; --good: #7fd6a2; --bad: #ff9aa2; --mark: #3d3310; --mark-text: #ffe9a8;
  }
}
* { box-sizing: border-box; }
html { font: 100%/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
body { margin: 0; background: var(--page); color: var(--text); overflow-wrap: anywhere; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: .5rem; top: .5rem; background: var(--card); padding: .75rem; z-index: 1; }
:focus-visible { outline: 3px solid var(--water); outline-offset: 2px; }
header.site, main, footer.site { max-width: 46rem; margin: 0 auto; padding: 1rem; }
.wide header.site, .wide main, .wide footer.site { max-width: 76rem; }
header.site { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: center; border-bottom: 1px solid var(--line); }
header.site .brand { font-weight: 700; color: inherit; text-decoration: none; margin-right: auto; padding: .6rem 0; }
header.site nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 0; padding: 0; }
header.site nav a, footer.site nav a { display: inline-block; padding: .6rem 0; min-height: 44px; }
footer.site { border-top: 1px solid var(--line); color: var(--soft); font-size: .9rem; margin-top: 2rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 1rem 0; }
h2 { font-size: 1.2rem; margin: 1.75rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
a { color: var(--water); }
p, ul, ol, dl, table { margin: .5rem 0 1rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin: 1rem 0; }
.card > :first-child, .error > :first-child { margin-top: 0; }
.card > :last-child, .error > :last-child { margin-bottom: 0; }
.soft { color: var(--soft); }
.note { background: var(--mark); color: var(--mark-text); border-radius: .5rem; padding: .75rem 1rem; margin: 1rem 0; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
.error { border: 2px solid var(--bad); border-radius: .5rem; padding: .75rem 1rem; margin: 1rem 0; }
dl.facts { display: grid; grid-template-columns: minmax(8rem, 14rem) 1fr; gap: .35rem 1rem; }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; }
dl.facts ul { margin: 0; padding-left: 1.25rem; }
@media (max-width: 30rem) { dl.facts { grid-template-columns: 1fr; } dl.facts dd { margin-bottom: .5rem; } }
fieldset { border: 1px solid var(--line); border-radius: .5rem; margin: 1rem 0; padding: .75rem 1rem; }
legend { font-weight: 600; padding: 0 .35rem; }
.choice { display: grid; grid-template-columns: auto 1fr; gap: .25rem .75rem; align-items: start; padding: .6rem 0; }
.choice input { width: 1.5rem; height: 1.5rem; margin: .1rem 0 0; accent-color: var(--water); }
.choice .why { grid-column: 2; color: var(--soft); font-size: .95rem; }
label.field { display: block; margin: .75rem 0; font-weight: 600; }
input[type=file] { display: block; min-height: 44px; max-width: 100%; font: inherit; }
input[type=text], input[type=password], input[type=search], input[type=date], select, textarea {
  display: block; width: 100%; max-width: 30rem; min-height: 44px; padding: .5rem .6rem; font: inherit; font-weight: 400;
  color: var(--text); background: var(--card); border: 1px solid var(--soft); border-radius: .35rem; }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0; }
button, .button { display: inline-block; min-height: 44px; padding: .55rem 1.1rem; font: inherit; font-weight: 600; cursor: pointer; text-decoration: none;
  border-radius: .4rem; border: 2px solid var(--water); background: var(--water); color: var(--water-text); }
button.plain, .button.plain { background: transparent; color: var(--water); }
button.stop { border-color: var(--bad); background: transparent; color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .95rem; }
caption { text-align: left; color: var(--soft); padding: .25rem 0; }
th, td { text-align: left; vertical-align: top; padding: .45rem .6rem; border-bottom: 1px solid var(--line); overflow-wrap: normal; }
td:nth-child(2):last-child code { overflow-wrap: anywhere; }
pre, code { font: .9em/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere; }
meter, progress { width: 100%; height: 1rem; }
svg.chart { width: 100%; height: auto; }
svg.chart .bar { fill: var(--water); }
.ends { display: flex; justify-content: space-between; gap: 1rem; margin: 0 0 .75rem; color: var(--soft); font-size: .9rem; }
`
