/* An SVG of gnuplot's as a part of a page.  See report_plots.h.
 *
 * The page shows what the drawing has and nothing else: an element or attribute that is not in the
 * lists below is not gnuplot's, and what is in it might be anything. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "host/report/report_plots_internal.h"

static const char *const elements[] = {"svg", "g", "path", "use", "text", "tspan", "rect", "circle", "polygon", "line"};
/* Whole attributes that a page keeps. */
static const char *const kept[] = {"viewBox",
                                   "x",
                                   "y",
                                   "width",
                                   "height",
                                   "d",
                                   "cx",
                                   "cy",
                                   "r",
                                   "points",
                                   "fill",
                                   "stroke",
                                   "stroke-width",
                                   "stroke-linecap",
                                   "stroke-linejoin",
                                   "stroke-dasharray",
                                   "color",
                                   "transform",
                                   "text-anchor",
                                   "font-size",
                                   "font-weight",
                                   "font-style",
                                   "xlink:href",
                                   "fill-opacity",
                                   "stroke-opacity",
                                   "dy",
                                   "dx",
                                   "id"};

static bool among(const char *const *words, size_t n, const char *text, size_t length)
{
  for (size_t i = 0; i < n; i++)
    if (strlen(words[i]) == length && !strncmp(words[i], text, length)) return true;
  return false;
}

/* A colour's variable, or the value as it is. */
static void write_value(FILE *out, const char *value, size_t n)
{
  int r, g, b, end = 0;
  char text[40] = "", rgb[8];
  if (n < sizeof text) memcpy(text, value, n);
  if (sscanf(text, "rgb( %d , %d , %d )%n", &r, &g, &b, &end) == 3 && end) {
    snprintf(rgb, sizeof rgb, "#%02x%02x%02x", r & 255, g & 255, b & 255);
    strcpy(text, rgb);
  }
  for (int i = 0; i < n_plot_colours; i++) {
    if (strcasecmp(text, plot_colours[i].rgb) != 0) continue;
    fprintf(out, "var(%s)", plot_colours[i].name);
    return;
  }
  if (!strcmp(text, "black"))
    fputs("var(--ink)", out);
  else if (!strcmp(text, "white") || !strcasecmp(text, "#ffffff"))
    fputs("none", out);
  else
    fwrite(value, 1, n, out);
}

/* What of an element is read. */
struct element {
  const char *name;
  size_t name_length;
  bool ends, empty; /* </name>, <name/> */
};

/* The attributes from *at to the element's end, which *at is behind then.  False where something
 * is none of gnuplot's. */
static bool write_attributes(FILE *out, const char **at, struct element *el, bool marks)
{
  const char *c = *at;
  bool svg = el->name_length == 3 && !strncmp(el->name, "svg", 3);
  for (;;) {
    while (isspace((unsigned char)*c)) c++;
    if (*c == '>') break;
    if (c[0] == '/' && c[1] == '>') {
      el->empty = true;
      c++;
      break;
    }
    const char *name = c;
    while (isalpha((unsigned char)*c) || *c == '-' || *c == ':') c++;
    size_t length = (size_t)(c - name);
    c += strspn(c, " ");
    if (!length || length > 30 || *c++ != '=') return false;
    c += strspn(c, " ");
    if (*c != '"' && *c != '\'') return false;
    const char *value = c + 1, *end = strchr(value, *c);
    if (!end) return false;
    c = end + 1;
    size_t n = (size_t)(end - value);
    if (memchr(value, '<', n)) return false;
    bool id = length == 2 && !strncmp(name, "id", 2), link = length == 10 && !strncmp(name, "xlink:href", 10);
    bool size = svg && (!strncmp(name, "width", length) || !strncmp(name, "height", length));
    if (!among(kept, sizeof kept / sizeof *kept, name, length) || size || (id && !marks)) continue;
    if (link && strncmp(value, "#gp", 3) != 0) return false;
    fprintf(out, " %.*s=\"", link ? 4 : (int)length, link ? "href" : name);
    if (memchr(value, '"', n)) return false;
    write_value(out, value, n);
    fputc('"', out);
  }
  *at = c + 1;
  return true;
}

/* Behind the end of the element `name` that *at is in; false where it has none. */
static bool skip_element(const char **at, const char *name)
{
  char end[20];
  snprintf(end, sizeof end, "</%s>", name);
  const char *found = strstr(*at, end);
  if (found) *at = found + strlen(end);
  return found != NULL;
}

/* Is it, behind the tag that ends here, an element with nothing in it: <g ...> </g>? */
static const char *empty_group(const char *at)
{
  const char *end = strchr(at, '>');
  if (strncmp(at, "<g ", 3) != 0 || !end || end[-1] == '/') return NULL;
  end++;
  while (isspace((unsigned char)*end)) end++;
  return strncmp(end, "</g>", 4) ? NULL : end + 4;
}

static bool write_tag(FILE *out, const char **at, const char *label, bool marks)
{
  struct element el = {.name = *at + 1};
  if (*el.name == '/') el.name++, el.ends = true;
  while (isalpha((unsigned char)el.name[el.name_length])) el.name_length++;
  if (!among(elements, sizeof elements / sizeof *elements, el.name, el.name_length)) return false;
  *at = el.name + el.name_length;
  fprintf(out, "<%s%.*s", el.ends ? "/" : "", (int)el.name_length, el.name);
  if (!el.ends && el.name_length == 3 && !strncmp(el.name, "svg", 3))
    fprintf(out, " role=\"img\" aria-label=\"%s\"", label);
  if (!write_attributes(out, at, &el, marks)) return false;
  fputs(el.empty ? "/>" : ">", out);
  return true;
}

/* <defs>: the marks that points are made of, without the filters behind text. */
static bool write_marks(FILE *out, const char **at)
{
  fputs("<defs>", out);
  while (**at) {
    const char *next = strchr(*at, '<');
    if (!next) return false;
    *at = next;
    if (!strncmp(next, "</defs>", 7)) {
      *at += 7;
      fputs("</defs>", out);
      return true;
    }
    if (!strncmp(next, "<filter", 7)) {
      if (!skip_element(at, "filter")) return false;
    } else if (!write_tag(out, at, "", true)) {
      return false;
    }
  }
  return false;
}

static bool write_part(FILE *out, const char **at, const char *label, bool *has_marks)
{
  const char *c = *at, *behind;
  if (!strncmp(c, "<title", 6)) return skip_element(at, "title");
  if (!strncmp(c, "<desc", 5)) return skip_element(at, "desc");
  if (!strncmp(c, "<defs>", 6)) {
    if (*has_marks) return skip_element(at, "defs");
    *at += 6;
    *has_marks = true;
    return write_marks(out, at);
  }
  if ((behind = empty_group(c))) return *at = behind, true;
  return write_tag(out, at, label, false);
}

bool report_plots_embed(FILE *out, const char *svg, const char *label, bool *has_marks)
{
  char *text = NULL;
  size_t size = 0;
  bool good = true, marks = *has_marks;
  const char *at = strstr(svg, "<svg");
  FILE *part = open_memstream(&text, &size);
  if (!part) return false;
  good = at && strstr(at, "</svg>");
  while (good && *at) {
    if (*at == '<') {
      good = write_part(part, &at, label, &marks);
      continue;
    }
    size_t n = strcspn(at, "<"), blank = strspn(at, " \t\r\n");
    if (blank < n) fwrite(at, 1, n, part);
    at += n;
  }
  good = fclose(part) == 0 && good;
  if (good) {
    fwrite(text, 1, size, out);
    fputc('\n', out);
    *has_marks = marks;
  }
  free(text);
  return good;
}
