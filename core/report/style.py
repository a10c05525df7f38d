"""The style sheet of a report page.

Old QtWebKit has to read it: no grid, no flexbox, no variables. Print rules keep figures and table rows whole on A4.
"""

from __future__ import annotations

from .canvas import AMBER, BLUE, FONTS, GREEN, INK, LIGHT, MUTED, RULE

CSS = f"""
html {{ background: #fff; -webkit-text-size-adjust: 100%; }}
body {{ margin: 0; color: {INK}; font: 15px/1.6 {FONTS}; }}
.page {{ max-width: 880px; margin: 0 auto; padding: 56px 40px 48px; }}
h1, h2, p, table, dl {{ margin: 0; padding: 0; }}
.eyebrow {{ color: {BLUE}; font-size: 12px; font-weight: 600; letter-spacing: .08em;
  text-transform: uppercase; }}
.eyebrow svg {{ width: 11px; height: 14px; vertical-align: -2px; margin-right: 7px; }}
h1 {{ margin-top: 10px; font-size: 32px; line-height: 1.2; font-weight: 600; letter-spacing: -.012em; }}
.subtitle {{ margin-top: 8px; color: {MUTED}; font-size: 17px; line-height: 1.5; }}
h2 {{ margin: 60px 0 14px; padding-top: 18px; border-top: 1px solid {RULE}; font-size: 21px; line-height: 1.3;
  font-weight: 600; letter-spacing: -.005em; }}
.text p, .text ul {{ max-width: 700px; margin: 0 0 14px; }}
.text ul {{ padding-left: 22px; }}
.text li {{ margin: 4px 0; }}
.verdict {{ margin-top: 30px; padding: 20px 26px 20px 22px; border-left: 5px solid {BLUE};
  background: {LIGHT}; }}
.verdict table {{ width: 100%; border-collapse: collapse; }}
.verdict td {{ padding: 0; vertical-align: top; font-size: 19px; line-height: 1.45; font-weight: 500; }}
.verdict td.mark {{ width: 42px; padding-top: 1px; line-height: 0; }}
.verdict p + p {{ margin-top: 8px; font-size: 15px; font-weight: 400; line-height: 1.55; }}
.good {{ border-color: {GREEN}; background: #eef6f0; }}
.bad {{ border-color: {AMBER}; background: #fcf4e8; }}
.cards {{ width: 100%; margin-top: 30px; border-collapse: collapse; table-layout: fixed; }}
.cards td {{ padding: 12px 16px 12px 0; border-top: 2px solid {INK}; vertical-align: top; }}
.cards td.gap {{ width: 20px; padding: 0; border: 0; }}
.cards .label {{ display: block; font-size: 13.5px; line-height: 1.35; }}
.cards .value {{ display: block; margin-bottom: 3px; font-size: 27px; line-height: 1.25; font-weight: 600;
  letter-spacing: -.012em; }}
.cards .note {{ display: block; margin-top: 2px; color: {MUTED}; font-size: 12.5px; line-height: 1.4; }}
.figure {{ margin: 26px 0 34px; page-break-inside: avoid; break-inside: avoid; }}
.plot div {{ position: relative; height: 0; overflow: hidden; }}
.plot svg {{ position: absolute; left: 0; top: 0; width: 100%; height: 100%; }}
.caption {{ max-width: 700px; color: {MUTED}; font-size: 13.5px; line-height: 1.5; }}
.caption b {{ color: {INK}; font-weight: 600; }}
.figure .caption {{ margin-top: 10px; }}
.table {{ margin: 26px 0 34px; }}
.table .caption {{ margin-bottom: 8px; }}
.scroll {{ overflow-x: auto; }}
.table table, .details table {{ width: 100%; border-collapse: collapse; font-size: 14px; line-height: 1.4; }}
.table th {{ padding: 8px 14px 7px 10px; border-bottom: 1.5px solid {INK}; color: {MUTED};
  font-size: 12.5px; font-weight: 600; text-align: left; vertical-align: bottom; }}
.table td {{ padding: 7px 14px 7px 10px; border-bottom: 1px solid #e6ebef; vertical-align: top; }}
.table .num {{ padding: 7px 10px 7px 14px; text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; -webkit-font-feature-settings: "tnum"; font-feature-settings: "tnum"; }}
.table th.num {{ white-space: normal; }}
.table .date {{ white-space: nowrap; }}
.table tr.best td {{ background: {LIGHT}; font-weight: 600; }}
.notes {{ max-width: 700px; margin-top: 8px; color: {MUTED}; font-size: 12.5px; line-height: 1.5; }}
.details th {{ width: 210px; padding: 6px 20px 6px 0; border-bottom: 1px solid #e6ebef; color: {MUTED};
  font-weight: 400; text-align: left; vertical-align: top; }}
.details td {{ padding: 6px 0; border-bottom: 1px solid #e6ebef; vertical-align: top; word-wrap: break-word;
  overflow-wrap: anywhere; word-break: break-word; }}
.footer {{ margin-top: 56px; padding-top: 14px; border-top: 1px solid {RULE}; color: {MUTED};
  font-size: 12.5px; }}
@media screen and (max-width: 640px) {{
  .page {{ padding: 28px 18px 32px; }}
  h1 {{ font-size: 26px; }}
  .cards td {{ display: block; margin-bottom: 12px; }}
  .cards td.gap {{ display: none; }}
  .details th {{ width: 120px; }}
  .plot {{ width: 100% !important; }}
}}
@page {{ size: A4; margin: 17mm 16mm 18mm; }}
@media print {{
  * {{ -webkit-print-color-adjust: exact; print-color-adjust: exact; }}
  body {{ font-size: 10pt; }}
  .page {{ max-width: none; padding: 0; }}
  h1 {{ font-size: 21pt; }}
  h2 {{ margin-top: 26pt; font-size: 14pt; page-break-after: avoid; break-after: avoid; }}
  .verdict td {{ font-size: 12.5pt; }}
  .cards .value {{ font-size: 18pt; }}
  .verdict, .cards, tr {{ page-break-inside: avoid; break-inside: avoid; }}
  thead {{ display: table-header-group; }}
  .table .caption {{ page-break-after: avoid; break-after: avoid; }}
  .scroll {{ overflow: visible; }}
  .text p, .caption, .notes {{ max-width: none; orphans: 3; widows: 3; }}
  .table table, .details table {{ font-size: 9pt; }}
}}
"""
