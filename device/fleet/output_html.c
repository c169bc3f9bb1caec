#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "device/fleet/html_parts.h"
#include "device/fleet/report.h"
#include "device/fleet/svg.h"

enum { PAGE_BYTES = 8 << 20 };

/* Nothing may be fetched or run, whatever a reason brought along. */
static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";

static const char style[] =
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:1rem;max-width:76rem;background:var(--page);color:var(--ink);"
    "font:1rem/1.45 system-ui,sans-serif}\n"
    "h1{font-size:1.5rem;margin:.3rem 0;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:1.6rem "
    "0 .4rem}\n"
    ".verdict{margin:.6rem 0;padding:.6rem .8rem;border-left:.35rem solid var(--dim);"
    "background:color-mix(in srgb,var(--dim) 12%,var(--page));overflow-wrap:anywhere}\n"
    ".good{--dim:#0a8a5f}.lacking{--dim:var(--c1)}.about{color:var(--dim);margin:.4rem 0 1rem}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.3rem,1fr));gap:.6rem;"
    "margin:0 0 1rem;padding:0}\n"
    ".tiles li{list-style:none;color:var(--dim);font-size:.85rem;border:1px solid "
    "var(--rule);border-radius:.4rem;padding:.5rem .7rem}\n"
    ".tiles b{display:block;color:var(--ink);font-size:1.35rem;font-weight:500;"
    "font-variant-numeric:tabular-nums}small{display:block;font-size:.8rem}\n"
    ".plots,.tables{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,27rem),1fr))"
    ";"
    "gap:1.4rem 1.6rem}.tables{gap:0 1.6rem}section{min-width:0}\n"
    "figure{margin:0;min-width:0;display:flex;flex-direction:column;break-inside:avoid}figcaption{"
    "font-weight:600;margin-bottom:"
    ".3rem}\n"
    ".wide,pre{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}\n"
    "th,td{text-align:left;vertical-align:top;padding:.25rem 1rem .25rem 0;border-bottom:1px "
    "solid var(--rule)}\n"
    "th{color:var(--dim);font-weight:600}.n{text-align:right;white-space:nowrap;"
    "font-variant-numeric:tabular-nums}.k{white-space:nowrap}.bad{color:var(--c1);"
    "font-weight:600}\n"
    "pre{margin:0;padding:.7rem;border:1px solid "
    "var(--rule);border-radius:.4rem;font-size:.85rem}\n"
    "@media print{body{max-width:none;padding:0;font-size:10pt}.plots{grid-template-columns:1fr "
    "1fr}.tip{display:none}pre{white-space:pre-wrap}tr{break-inside:avoid}}\n";

static void write_page(struct ph_html *html, const struct ph_fleet_report *report)
{
    ph_html_raw(html, head);
    ph_html_raw(html, "<title>Fleet run on ");
    ph_html_text(html, report->broker);
    ph_html_raw(html, ", ");
    ph_html_text(html, report->began);
    ph_html_raw(html, "</title>\n<style>\n");
    ph_html_raw(html, ph_svg_style);
    ph_html_raw(html, style);
    ph_html_raw(html, "</style>\n</head>\n<body>\n");
    ph_html_headline(html, report);
    ph_html_raw(html, "<main>\n");
    ph_html_plots(html, report);
    ph_html_tables(html, report);
    ph_html_raw(html, "</main>\n</body>\n</html>\n");
}

static enum ph_err end(void *context, const struct ph_fleet_report *report, struct ph_error *error)
{
    const char *path = context;
    struct ph_html html;
    ph_html_init(&html, PAGE_BYTES);
    write_page(&html, report);
    enum ph_err err = html.err;
    if (err == PH_OK) {
        err = ph_file_replace(path, 0644, html.buf.data, html.buf.len, error);
    } else if (err == PH_ERR_LIMIT) {
        err = ph_error_set(
            error, err, "%s: the report would be larger than %d MiB", path, PAGE_BYTES >> 20);
    } else {
        err = ph_error_set(error, err, "%s: no memory for the report", path);
    }
    ph_html_fini(&html);
    return err;
}

void ph_fleet_html_new(const char *path, struct ph_fleet_output *output)
{
    *output = (struct ph_fleet_output){.end = end};
    memcpy(&output->context, &path, sizeof path); /* const, as end() takes it */
}
