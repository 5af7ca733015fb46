/* The table of the network's hyperparameters, and what reads it.  See hyperparameters.h. */
#include "host/network/hyperparameters.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/text_escape.h"

#define WHOLE(least, most) .kind = HYPERPARAMETER_WHOLE, .low = least, .high = most
#define ODD(least, most) WHOLE(least, most), .odd = true
#define REAL(least, most) .kind = HYPERPARAMETER_REAL, .low = least, .high = most
#define REAL_BELOW(least, limit) REAL(least, limit), .high_exclusive = true
#define LABEL(list)                                                                                                    \
  .kind = HYPERPARAMETER_LABEL, .labels = (const char *const[])                                                        \
  {                                                                                                                    \
    list(NAME_TEXT) NULL                                                                                               \
  }
#define NEEDED true
#define DEFAULTS false
#define TABLE_ROW(symbol, text, field, what, in_file, space_line, ...)                                                 \
  [symbol] = {                                                                                                         \
      .name = text, .needed = in_file, .line = space_line, .offset = offsetof(struct network_config, field), what},
const struct hyperparameter hyperparameters[HP_COUNT] = {HYPERPARAMETERS(TABLE_ROW)};

/* --- A field by its row ----------------------------------------------------------------------- */

double network_config_get(const struct network_config *c, enum hyperparameter_id h)
{
  const void *field = (const char *)c + hyperparameters[h].offset;
  return hyperparameters[h].kind == HYPERPARAMETER_REAL ? *(const double *)field : *(const int *)field;
}

void network_config_set(struct network_config *c, enum hyperparameter_id h, double value)
{
  void *field = (char *)c + hyperparameters[h].offset;
  if (hyperparameters[h].kind == HYPERPARAMETER_REAL)
    *(double *)field = value;
  else
    *(int *)field = (int)value; /* enums are ints here */
}

/* The place of a label in the row; -1 where it is none of them. */
static int label_place(const struct hyperparameter *k, const char *label)
{
  for (int i = 0; k->labels[i]; i++)
    if (!strcmp(k->labels[i], label)) return i;
  return -1;
}

/* A value of a param as the field has it. */
static double field_value(const struct hyperparameter *k, const struct param *p, double value)
{
  return k->kind == HYPERPARAMETER_LABEL ? label_place(k, p->labels[(int)value]) : param_number(p, value);
}

int hyperparameter_default(enum hyperparameter_id h, double *value, struct error *e)
{
  struct param p;
  if (param_parse(&p, hyperparameters[h].name, hyperparameters[h].line, e)) return e->code;
  *value = field_value(&hyperparameters[h], &p, p.default_value);
  param_destroy(&p);
  return 0;
}

/* --- What they may be ------------------------------------------------------------------------- */

int hyperparameter_check(enum hyperparameter_id h, double x, struct error *e)
{
  const struct hyperparameter *k = &hyperparameters[h];
  bool below = k->high_exclusive ? x < k->high : x <= k->high;
  if (!(x >= k->low) || !below)
    return error_set(e, ERROR_CONFIG, "'%s' cannot be %g: the network takes %g to %g%s, e.g. '%s = %s'", k->name, x,
                     k->low, k->high, k->high_exclusive ? " (not included)" : "", k->name, k->line);
  if (k->kind == HYPERPARAMETER_WHOLE && x != floor(x))
    return error_set(e, ERROR_CONFIG, "'%s' cannot be %g: it is a whole number, e.g. '%s = %s'", k->name, x, k->name,
                     k->line);
  if (k->odd && fmod(x, 2) != 1)
    return error_set(e, ERROR_CONFIG, "'%s' cannot be %g: kernels have an odd size, e.g. '%s = %s'", k->name, x,
                     k->name, k->line);
  return 0;
}

/* Appends "'name'" to a list in `text`, after `comma`. */
static void list_append(char *text, size_t size, const char *comma, const char *name)
{
  size_t used = strlen(text);
  text_format(text + used, size - used, "%s'%s'", used ? comma : "", name);
}

static int check_label(const struct hyperparameter *k, const char *label, struct error *e)
{
  char known[200] = "";
  if (label_place(k, label) >= 0) return 0;
  for (int i = 0; k->labels[i]; i++) list_append(known, sizeof known, k->labels[i + 1] ? ", " : " and ", k->labels[i]);
  return error_set(e, ERROR_CONFIG, "'%s' cannot be '%s': the network knows %s, e.g. '%s = %s'", k->name, label, known,
                   k->name, k->line);
}

static bool type_fits(enum hyperparameter_kind kind, enum param_type type)
{
  if (kind == HYPERPARAMETER_LABEL) return type == PARAM_CATEGORICAL;
  return type == PARAM_INT || type == PARAM_ORDINAL || (type == PARAM_FLOAT && kind == HYPERPARAMETER_REAL);
}

static int check_param(enum hyperparameter_id h, const struct param *p, struct error *e)
{
  static const char *const type_names[] = {"float", "int", "ordinal", "categorical"};
  const struct hyperparameter *k = &hyperparameters[h];
  if (!type_fits(k->kind, p->type))
    return error_set(e, ERROR_CONFIG, "'%s' cannot be of type %s: write it like '%s = %s'", k->name,
                     type_names[p->type], k->name, k->line);
  int rc = 0;
  if (k->kind == HYPERPARAMETER_LABEL) {
    for (int i = 0; i < p->n_choices && !rc; i++) rc = check_label(k, p->labels[i], e);
  } else if (p->type == PARAM_ORDINAL) {
    for (int i = 0; i < p->n_choices && !rc; i++) rc = hyperparameter_check(h, p->numbers[i], e);
  } else {
    rc = hyperparameter_check(h, p->low, e);
    if (!rc) rc = hyperparameter_check(h, p->high, e);
    if (!rc && k->odd && p->high > p->low) /* a range of ints has even ones between */
      rc = hyperparameter_check(h, p->low + 1, e);
  }
  return rc;
}

/* --- In a space ------------------------------------------------------------------------------- */

static int names_wrong(const char *missing, const char *unknown, struct error *e)
{
  char all[600] = "";
  size_t used = 0;
  for (int h = 0; h < HP_COUNT; h++)
    used += text_format(all + used, sizeof all - used, "%s%s", h ? ", " : "", hyperparameters[h].name);
  return error_set(e, ERROR_CONFIG, "the network needs its %d hyperparameters by name (%s)%s%s%s%s", HP_COUNT, all,
                   *missing ? "; missing: " : "", missing, *unknown ? "; none of them: " : "", unknown);
}

int network_names_find(struct network_names *names, const struct space *space, struct error *e)
{
  char missing[600] = "", unknown[600] = "";
  bool known[SPACE_MAX] = {false};
  for (enum hyperparameter_id h = 0; h < HP_COUNT; h++) {
    int at = names->index[h] = space_index(space, hyperparameters[h].name);
    if (at < 0)
      list_append(missing, sizeof missing, ", ", hyperparameters[h].name);
    else
      known[at] = true;
  }
  for (int i = 0; i < space->n; i++)
    if (!known[i]) list_append(unknown, sizeof unknown, ", ", space->params[i].name);
  if (*missing || *unknown) return names_wrong(missing, unknown, e);
  for (enum hyperparameter_id h = 0; h < HP_COUNT; h++) {
    int rc = check_param(h, &space->params[names->index[h]], e);
    if (rc) return rc;
  }
  return 0;
}

void network_config_from_values(struct network_config *c, const struct network_names *names, const struct space *space,
                                const double *values, const struct model_options *model)
{
  memset(c, 0, sizeof *c);
  for (enum hyperparameter_id h = 0; h < HP_COUNT; h++) {
    int at = names->index[h];
    double value = field_value(&hyperparameters[h], &space->params[at], values[at]);
    network_config_set(c, h, value);
  }
  c->model = *model;
}
