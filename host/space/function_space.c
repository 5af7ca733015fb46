/* The spaces that the analytic functions bring along, made from their tables through the ini file's
 * own grammar. */
#include "host/space/function_space.h"

#include <stdio.h>
#include <string.h>

#include "host/space/functions.h"
#include "host/base/spelling.h"
#include "host/base/text_escape.h"

static int unknown(const char *name, struct error *e)
{
  enum { NAMES_MAX = 32 };
  const char *names[NAMES_MAX];
  char list[600] = "";
  size_t used = 0;
  int n = 0;
  for (; n < NAMES_MAX && function_at(n) && used < sizeof(list); n++) {
    names[n] = function_at(n)->name;
    used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", n ? ", " : "", names[n]);
  }
  const char *near = nearest_word(name, names, n);
  if (near) {
    return error_set(e, ERROR_CONFIG, "there is no function '%.*s': did you mean %s? There are %s",
                     text_within(name, 60), name, near, list);
  }
  return error_set(e, ERROR_CONFIG, "there is no function '%.*s'; there are %s", text_within(name, 60), name, list);
}

int function_space(const char *name, struct space *s, struct groups *g, bool *maximize, struct error *e)
{
  static const char *const group_names[FUNCTION_GROUPS] = {"first", "second", "third"};
  space_init(s);
  memset(g, 0, sizeof(*g));
  *maximize = false;
  const struct function *f = function_find(name);
  if (!f) return unknown(name, e);
  *maximize = f->maximize;
  for (int i = 0; i < f->n; i++) {
    if (param_parse(&s->params[i], f->params[i].name, f->params[i].line, e)) {
      return error_prefix(e, "function %s: %s", f->name, f->params[i].name);
    }
    s->n = i + 1;
    g->of[i] = f->params[i].group;
  }
  g->n = f->n_groups;
  for (int k = 0; k < f->n_groups; k++) {
    snprintf(g->names[k], sizeof(g->names[k]), "%s", group_names[k]);
    g->ratio[k] = f->ratio[k];
  }
  return 0;
}
