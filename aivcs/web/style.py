"""The style sheet of all pages: light and dark, narrow and wide, on screen and on paper.

Contrast is that of WCAG AA at least; what a colour says, a word says as well.
"""

from base64 import b64encode
from hashlib import sha256

CSS = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1f2328;--dim:#59636e;--line:#d1d9e0;--soft:#f6f8fa;
--ok:#116329;--bad:#b3121d;--warn:#7d4e00;--link:#0550ae;--add:#dafbe1;--del:#ffebe9;--bar:#0969da}
@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9da7b1;--line:#3d444d;
--soft:#161b22;--ok:#56d364;--bad:#ff8b84;--warn:#e3b341;--link:#79c0ff;--add:#12361f;--del:#451a1d;
--bar:#58a6ff}}
*{box-sizing:border-box}
body{margin:0 auto;padding:0 1rem 3rem;max-width:80rem;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:1.5rem 0 .25rem}
h2{font-size:1.2rem;margin:2.5rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}
h3{font-size:1rem;margin:1.5rem 0 .5rem}
a{color:var(--link)}a[aria-current]{color:var(--fg);font-weight:600;text-decoration:none}
a:focus-visible,summary:focus-visible,[tabindex]:focus-visible{outline:2px solid var(--link);
outline-offset:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--bg);padding:.5rem}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1rem;padding:0;margin:.5rem 0}
code,pre,.mono{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.dim{color:var(--dim)}.ok{color:var(--ok)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.strong{font-weight:600}
bdi{unicode-bidi:isolate}
.scroll{overflow-x:auto;background:linear-gradient(90deg,var(--bg) 30%,transparent) 0 0/3rem 100%
 no-repeat local,linear-gradient(270deg,var(--bg) 30%,transparent) 100% 0/3rem 100% no-repeat local,
linear-gradient(90deg,var(--line),transparent) 0 0/1rem 100% no-repeat scroll,
linear-gradient(270deg,var(--line),transparent) 100% 0/1rem 100% no-repeat scroll}
table{border-collapse:collapse;width:100%;min-width:46rem;font-size:14px}
th,td{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;
border-bottom:1px solid var(--line)}
th{color:var(--dim);font-weight:600;white-space:nowrap}
td.num,th.num{text-align:right;white-space:nowrap}
td.short,td .mono.brief{white-space:nowrap}td.name{min-width:9rem}td.why{min-width:14rem}
td,dd,.steps li{overflow:clip;overflow-clip-margin:4px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.5rem 0}
dt{color:var(--dim)}dd{margin:0}
details{margin:.4rem 0}
summary{cursor:pointer}
.note{border-left:3px solid var(--warn);padding:.25rem .75rem;background:var(--soft)}
.note.bad{border-color:var(--bad)}
.steps{list-style:none;padding:0;margin:.5rem 0}
.steps li{display:grid;grid-template-columns:4.5rem 4.5rem minmax(6rem,11rem) minmax(0,1fr);
gap:0 .75rem;padding:.25rem .25rem;border-bottom:1px solid var(--line)}
.steps li{scroll-margin-top:30vh}
.steps li:target{background:var(--soft);outline:2px solid var(--link)}
.steps .gap{display:block;color:var(--dim)}
.steps .t{text-align:right;color:var(--dim)}
.diff{border:1px solid var(--line);padding:.5rem;overflow-x:auto;margin:.5rem 0}
.diff span{display:block;white-space:pre-wrap;min-height:1.2em}
.diff .added{background:var(--add)}.diff .removed{background:var(--del)}
.diff .hunk{color:var(--dim)}.diff .file,.diff .field{font-weight:600}.diff .note{font-style:italic}
.sides td{width:44%}.sides td:first-child,.sides th:first-child{width:12%}
.sides .param_changed,.sides .reordered{background:var(--soft)}
.sides .added{background:var(--add)}.sides .removed{background:var(--del)}
.charts{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem}
figure{margin:0;width:min(100%,24rem)}
figcaption{color:var(--dim);font-size:13px}
svg{display:block;width:100%;height:3.5rem;background:var(--soft)}
svg .bar{stroke:var(--bar)}svg .bad{stroke:var(--bad)}svg .dim{stroke:var(--dim)}
footer{margin-top:3rem;color:var(--dim);font-size:13px}
@media screen and (max-width:45rem){.steps li{grid-template-columns:4rem 4rem minmax(0,1fr)}
.steps .what{grid-column:1/-1}
dl{grid-template-columns:1fr}dd{margin-bottom:.3rem}}
@media print{:root{--bg:#fff;--fg:#000;--dim:#444;--line:#bbb;--soft:#f4f4f4;
--ok:#0a4a1c;--bad:#8e0d16;--warn:#5c3a00;--link:#000;--add:#e6f6ea;--del:#fbe9e8;--bar:#333;color-scheme:light}
body{max-width:none;font-size:10pt;padding:0}nav,.skip{display:none}
.scroll,.diff{overflow:visible;background:none}table{min-width:0}td.name,td.why{min-width:0}h2,h3,summary{break-after:avoid}tr,li,figure{break-inside:avoid}
details::details-content{content-visibility:visible;block-size:auto}}
""".replace("\n", "")

POLICY = (
    "default-src 'none'; "
    f"style-src 'sha256-{b64encode(sha256(CSS.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)
"""The content security policy of every page: our style sheet, and nothing else."""
