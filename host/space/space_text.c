/* The search space as text: the grammar of a line of [space], values, Optuna's distribution JSON.
 *
 *   TYPE RANGE [log] default VALUE
 *   float LOW .. HIGH | int LOW .. HIGH | ordinal NUMBER, NUMBER ... | categorical LABEL, LABEL ...
 *
 * A scanner hands out words; ',' and '..' are words of their own ('..' also inside "1..6").  Every
 * message says what was found, what would be right, and where a word is nearly one that is known,
 * which. */
#include "host/space/space.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/spelling.h"
#include "host/base/text_escape.h"

static const char *const type_names[] = {"float", "int", "ordinal", "categorical"};
static const char *const type_examples[] = {
    "float 0.0 .. 0.9 default 0.1",
    "int 2 .. 4 default 3",
    "ordinal 32, 64, 128 default 32",
    "categorical adam, sgd default adam",
};
static const double int_limit = 9007199254740991.0; /* 2^53 - 1: beyond it a double skips whole numbers */

/* ------------------------------------------------------------- numbers and names ---- */

bool number_parse(const char *text, double *value)
{
  size_t n = strlen(text);
  if (n == 0 || strspn(text, "0123456789+-.eE") != n) return false;
  char *end;
  double v = strtod(text, &end);
  if (*end || !isfinite(v)) return false;
  *value = v;
  return true;
}

void number_format(double value, char *text, size_t size)
{
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, size, "%.*g", digits, value);
    if (strtod(text, NULL) == value) return;
  }
}

bool space_name_ok(const char *name)
{
  char shown[SPACE_NAME_MAX * 4 + 8];
  size_t n = strlen(name);
  if (n == 0 || n >= SPACE_NAME_MAX || strpbrk(name, " \t\"'\\=:,;#[]")) return false;
  return !strcmp(text_escape(shown, sizeof shown, name), name); /* printable UTF-8 */
}

/* ------------------------------------------------------------- words ---- */

struct scanner {
  const char *next;
  char word[256];
};

static bool is_space(char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next word into s->word, "" at the end; false for one too long to be a word of this
 * grammar. */
static bool scan(struct scanner *s)
{
  while (is_space(*s->next)) s->next++;
  size_t n = 0;
  if (*s->next == ',') {
    n = 1;
  } else if (!strncmp(s->next, "..", 2)) {
    n = 2;
  } else {
    while (s->next[n] && !is_space(s->next[n]) && s->next[n] != ',' && strncmp(s->next + n, "..", 2)) n++;
  }
  size_t kept = n < sizeof s->word ? n : sizeof s->word - 1;
  memcpy(s->word, s->next, kept);
  s->word[kept] = 0;
  s->next += n;
  return kept == n;
}

static bool at_word(const struct scanner *s, const char *word)
{
  return !strcmp(s->word, word);
}

/* What was found, for a message: escaped and quoted, or "the end of the line". */
static const char *found(const struct scanner *s, char *out, size_t size)
{
  if (!s->word[0]) return "the end of the line";
  char shown[200];
  text_escape(shown, sizeof shown, s->word);
  snprintf(out, size, "'%s'", shown);
  return out;
}

static int wrong(struct error *e, const struct scanner *s, enum param_type type, const char *expected)
{
  char shown[220];
  return error_set(e, ERROR_CONFIG, "expected %s, found %s (a right line: %s)", expected, found(s, shown, sizeof shown),
                   type_examples[type]);
}

/* ------------------------------------------------------------- the range ---- */

static int scan_number(struct scanner *s, enum param_type type, const char *what, double *value, struct error *e)
{
  scan(s);
  if (!number_parse(s->word, value)) return wrong(e, s, type, what);
  if (type == PARAM_INT && (*value != floor(*value) || fabs(*value) > int_limit)) {
    return error_set(e, ERROR_CONFIG, "an int takes whole numbers of up to 2^53, not %s%s", s->word,
                     *value != floor(*value) ? " (use float for others)" : "");
  }
  if (*value == 0) *value = 0; /* -0 is 0: equal text, equal search */
  return 0;
}

static int scan_range(struct param *p, struct scanner *s, struct error *e)
{
  int rc = scan_number(s, p->type, "a number, the low end of the range", &p->low, e);
  if (rc) return rc;
  scan(s);
  if (!at_word(s, "..")) return wrong(e, s, p->type, "'..' between the two ends of the range");
  rc = scan_number(s, p->type, "a number, the high end of the range", &p->high, e);
  if (rc) return rc;
  if (p->low > p->high) {
    char low[32], high[32];
    number_format(p->low, low, sizeof low);
    number_format(p->high, high, sizeof high);
    return error_set(e, ERROR_CONFIG, "the range %s .. %s is empty: its low end comes first (%s .. %s)", low, high,
                     high, low);
  }
  if (!isfinite(p->high - p->low))
    return error_set(e, ERROR_CONFIG, "the range is wider than a number can be: take ends below 1e307");
  scan(s);
  return 0;
}

static int add_choice(struct param *p, const char *word, struct error *e)
{
  char shown[200];
  text_escape(shown, sizeof shown, word);
  int n = p->n_choices;
  if (n == SPACE_CHOICES_MAX) return error_set(e, ERROR_CONFIG, "more than %d choices", SPACE_CHOICES_MAX);
  if (p->type == PARAM_ORDINAL) {
    double v;
    if (!number_parse(word, &v))
      return error_set(e, ERROR_CONFIG,
                       "'%s' is not a number; an ordinal lists numbers (use categorical for names; a right line: %s)",
                       shown, type_examples[p->type]);
    if (n > 0 && v <= p->numbers[n - 1])
      return error_set(e, ERROR_CONFIG, "%s after %s: an ordinal's numbers stand in ascending order, each once", shown,
                       p->labels[n - 1]);
    p->numbers[n] = v == 0 ? 0 : v;
    number_format(p->numbers[n], p->labels[n], SPACE_NAME_MAX);
  } else {
    if (!space_name_ok(word))
      return error_set(
          e, ERROR_CONFIG,
          "'%s' cannot be a label: up to %d printable characters without spaces, quotes, backslashes and = : , ; # [ ]",
          shown, SPACE_NAME_MAX - 1);
    for (int i = 0; i < n; i++) {
      if (!strcmp(p->labels[i], word)) return error_set(e, ERROR_CONFIG, "the label '%s' is there twice", shown);
    }
    strcpy(p->labels[n], word);
  }
  p->n_choices++;
  return 0;
}

static int scan_choices(struct param *p, struct scanner *s, struct error *e)
{
  p->labels = calloc(SPACE_CHOICES_MAX, sizeof *p->labels);
  if (p->type == PARAM_ORDINAL) p->numbers = calloc(SPACE_CHOICES_MAX, sizeof *p->numbers);
  if (!p->labels || (p->type == PARAM_ORDINAL && !p->numbers))
    return error_set(e, ERROR_MACHINE, "no memory for the choices of '%s'", p->name);
  do {
    bool whole = scan(s);
    if (!s->word[0] || at_word(s, ",") || at_word(s, "..")) return wrong(e, s, p->type, "a choice");
    int rc = whole ? add_choice(p, s->word, e) : wrong(e, s, p->type, "a shorter choice");
    if (rc) return rc;
    scan(s);
  } while (at_word(s, ","));
  p->low = 0;
  p->high = p->n_choices - 1;
  void *labels = realloc(p->labels, (size_t)p->n_choices * sizeof *p->labels);
  if (labels) p->labels = labels;
  void *numbers = p->numbers ? realloc(p->numbers, (size_t)p->n_choices * sizeof *p->numbers) : NULL;
  if (numbers) p->numbers = numbers;
  return 0;
}

/* ------------------------------------------------------------- the line ---- */

static int scan_rest(struct param *p, struct scanner *s, struct error *e)
{
  bool has_default = false, default_whole = false;
  char default_word[sizeof s->word] = "";
  while (s->word[0]) {
    if (at_word(s, "log") && !p->log) {
      if (p->type == PARAM_ORDINAL || p->type == PARAM_CATEGORICAL)
        return error_set(e, ERROR_CONFIG, "'log' goes with float and int only: leave it out");
      p->log = true;
    } else if (at_word(s, "default") && !has_default) {
      default_whole = scan(s);
      if (!s->word[0]) return wrong(e, s, p->type, "a value after 'default'");
      strcpy(default_word, s->word);
      has_default = true;
    } else if (at_word(s, "log") || at_word(s, "default")) {
      return error_set(e, ERROR_CONFIG, "'%s' is there twice", s->word);
    } else {
      const char *known[] = {p->type <= PARAM_INT && !p->log ? "log" : NULL, has_default ? NULL : "default"};
      const char *near = nearest_word(s->word, known, 2);
      char expected[100];
      snprintf(expected, sizeof expected, "%s%s%s", known[0] ? "'log', " : "",
               known[1] ? "'default VALUE'" : "the end of the line",
               near           ? ""
               : p->n_choices ? " or a comma before one more choice"
                              : "");
      int rc = wrong(e, s, p->type, expected);
      size_t used = e ? strlen(e->message) : 0;
      if (e && near) snprintf(e->message + used, sizeof e->message - used, ": did you mean '%s'?", near);
      return rc;
    }
    scan(s);
  }
  if (p->log && p->low <= 0)
    return error_set(e, ERROR_CONFIG, "a log range begins above 0%s",
                     p->type == PARAM_INT ? ": at 1 or more" : ", as 1e-5 .. 1");
  if (!has_default)
    return error_set(e, ERROR_CONFIG,
                     "no default: add 'default VALUE' at the end, the value it has while others are searched");
  int rc = default_whole ? param_value_parse(p, default_word, &p->default_value, e)
                         : error_set(e, ERROR_CONFIG, "the value is too long");
  return rc ? error_prefix(e, "default") : 0;
}

int param_parse(struct param *p, const char *name, const char *text, struct error *e)
{
  memset(p, 0, sizeof *p);
  if (!space_name_ok(name)) {
    char shown[200];
    return error_set(
        e, ERROR_CONFIG,
        "'%s' cannot be a name: up to %d printable characters without spaces, quotes, backslashes and = : , ; # [ ]",
        text_escape(shown, sizeof shown, name), SPACE_NAME_MAX - 1);
  }
  strcpy(p->name, name);
  struct scanner s = {text, ""};
  scan(&s);
  int type = -1;
  for (int i = 0; i < 4; i++) {
    if (at_word(&s, type_names[i])) type = i;
  }
  if (type < 0) {
    char shown[220];
    const char *near = nearest_word(s.word, type_names, 4);
    return error_set(e, ERROR_CONFIG,
                     "begins with %s; a line begins with float, int, ordinal or categorical%s%s%s (as: %s)",
                     s.word[0] ? found(&s, shown, sizeof shown) : "nothing", near ? ": did you mean '" : "",
                     near ? near : "", near ? "'?" : "", type_examples[PARAM_INT]);
  }
  p->type = (enum param_type)type;
  int rc = p->type <= PARAM_INT ? scan_range(p, &s, e) : scan_choices(p, &s, e);
  if (!rc) rc = scan_rest(p, &s, e);
  if (rc) param_destroy(p);
  return rc;
}

bool param_is_value(const char *text)
{
  struct scanner s = {text, ""};
  if (!scan(&s) || !s.word[0] || at_word(&s, ",") || at_word(&s, "..")) return false;
  bool of_the_grammar = at_word(&s, "log") || at_word(&s, "default");
  for (int i = 0; i < 4; i++) of_the_grammar |= at_word(&s, type_names[i]);
  scan(&s);
  return !s.word[0] && !of_the_grammar;
}

/* A line of the grammar that allows one value. */
static int parse_fixed(struct param *p, const char *name, enum param_type type, const char *word, struct error *e)
{
  char line[900];
  snprintf(line, sizeof line, type <= PARAM_INT ? "%s %s .. %s default %s" : "%s %s default %s", type_names[type], word,
           word, word);
  return param_parse(p, name, line, e);
}

int param_fix(struct param *p, const char *name, const char *text, const struct param *like, struct error *e)
{
  struct scanner s = {text, ""};
  double number;
  memset(p, 0, sizeof *p);
  scan(&s);
  bool is_number = number_parse(s.word, &number);
  if (!like) {
    bool whole = is_number && !strpbrk(s.word, ".eE");
    return parse_fixed(p, name, whole ? PARAM_INT : is_number ? PARAM_FLOAT : PARAM_CATEGORICAL, s.word, e);
  }
  if (like->type == PARAM_CATEGORICAL) {
    int rc = param_value_parse(like, s.word, &number, e);
    return rc ? rc : parse_fixed(p, name, like->type, s.word, e);
  }
  if (!is_number) {
    char shown[200];
    return error_set(e, ERROR_CONFIG, "'%s' is neither a number, to which '%s' could be fixed, nor a line such as %s",
                     text_escape(shown, sizeof shown, s.word), name, type_examples[like->type]);
  }
  return parse_fixed(p, name, like->type, s.word, e);
}

void param_value_format(const struct param *p, double value, char *text, size_t size)
{
  if (p->n_choices)
    snprintf(text, size, "%s", p->labels[(int)param_clamp(p, value)]);
  else
    number_format(value, text, size);
}

/* All choices in one line, cut where there are many. */
static void list_choices(const struct param *p, char *out, size_t size)
{
  size_t used = 0;
  out[0] = 0;
  for (int i = 0; i < p->n_choices && used + SPACE_NAME_MAX + 10 < size; i++) {
    used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", p->labels[i]);
    if (i + 1 < p->n_choices && used + SPACE_NAME_MAX + 10 >= size) snprintf(out + used, size - used, ", ...");
  }
}

int param_value_parse(const struct param *p, const char *text, double *value, struct error *e)
{
  char shown[200], list[600];
  text_escape(shown, sizeof shown, text);
  double v;
  bool number = number_parse(text, &v);
  if (p->type == PARAM_CATEGORICAL || p->type == PARAM_ORDINAL) {
    for (int i = 0; i < p->n_choices; i++) {
      if (p->type == PARAM_ORDINAL ? number && p->numbers[i] == v : !strcmp(p->labels[i], text)) {
        *value = i;
        return 0;
      }
    }
    const char *labels[SPACE_CHOICES_MAX];
    for (int i = 0; i < p->n_choices; i++) labels[i] = p->labels[i];
    const char *near = p->type == PARAM_CATEGORICAL ? nearest_word(text, labels, p->n_choices) : NULL;
    list_choices(p, list, sizeof list);
    return error_set(e, ERROR_CONFIG, "'%s' is none of the choices of '%s' (%s)%s%s%s", shown, p->name, list,
                     near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
  }
  if (!number) return error_set(e, ERROR_CONFIG, "'%s' is not a number; '%s' takes one", shown, p->name);
  if (p->type == PARAM_INT && v != floor(v))
    return error_set(e, ERROR_CONFIG, "%s is no whole number; '%s' is an int", shown, p->name);
  if (v < p->low || v > p->high) {
    char low[32], high[32];
    number_format(p->low, low, sizeof low);
    number_format(p->high, high, sizeof high);
    return error_set(e, ERROR_CONFIG, "%s lies outside the range of '%s', %s .. %s", shown, p->name, low, high);
  }
  *value = v == 0 ? 0 : v;
  return 0;
}

void param_format(const struct param *p, char *text, size_t size)
{
  char value[SPACE_NAME_MAX], low[32], high[32];
  int used = snprintf(text, size, "%s ", type_names[p->type]);
  if (p->n_choices) {
    for (int i = 0; i < p->n_choices && (size_t)used < size; i++)
      used += snprintf(text + used, size - (size_t)used, "%s%s", i ? ", " : "", p->labels[i]);
  } else {
    number_format(p->low, low, sizeof low);
    number_format(p->high, high, sizeof high);
    used += snprintf(text + used, size - (size_t)used, "%s .. %s%s", low, high, p->log ? " log" : "");
  }
  param_value_format(p, p->default_value, value, sizeof value);
  if ((size_t)used < size) snprintf(text + used, size - (size_t)used, " default %s", value);
}

/* ------------------------------------------------------------- Optuna's JSON ---- */

/* A number as Python's json writes it: a float keeps a '.' or an 'e'. */
static void json_number(double value, bool is_float, char *text, size_t size)
{
  if (!is_float && value == floor(value) && fabs(value) <= int_limit) {
    snprintf(text, size, "%.0f", value);
    return;
  }
  number_format(value, text, size - 3);
  if (!strpbrk(text, ".e")) strcat(text, ".0");
}

char *param_distribution_json(const struct param *p)
{
  size_t size = PARAM_TEXT_MAX + (size_t)p->n_choices * 4 + 200;
  char *out = malloc(size);
  if (!out) return NULL;
  char low[40], high[40];
  if (!p->n_choices) {
    bool is_float = p->type == PARAM_FLOAT;
    json_number(p->low, is_float, low, sizeof low);
    json_number(p->high, is_float, high, sizeof high);
    snprintf(out, size, "{\"name\": \"%s\", \"attributes\": {\"step\": %s, \"low\": %s, \"high\": %s, \"log\": %s}}",
             is_float ? "FloatDistribution" : "IntDistribution", is_float ? "null" : "1", low, high,
             p->log ? "true" : "false");
    return out;
  }
  int used = snprintf(out, size, "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [");
  for (int i = 0; i < p->n_choices; i++) {
    const char *comma = i ? ", " : "";
    if (p->type == PARAM_ORDINAL) {
      json_number(p->numbers[i], false, low, sizeof low);
      used += snprintf(out + used, size - (size_t)used, "%s%s", comma, low);
    } else { /* a label has neither quotes nor backslashes nor control characters: nothing to escape */
      used += snprintf(out + used, size - (size_t)used, "%s\"%s\"", comma, p->labels[i]);
    }
  }
  snprintf(out + used, size - (size_t)used, "]}}");
  return out;
}
