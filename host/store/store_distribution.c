/* A hyperparameter from Optuna's distribution_json, for showing a database whose ini file is not at
 * hand or never was.
 *
 * Optuna writes {"name": "FloatDistribution", "attributes": {...}}; before 3.0 there were five
 * classes for numbers, and its Python reader also takes {"type": "float", "low": ...}.  A
 * categorical whose choices are ascending numbers is an ordinal, which is what it is where we wrote
 * it. */
#include "host/store/store_internal.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"

static const struct {
  const char *name;
  enum param_type type;
  int log; /* 1: always; 0: where the attribute says so */
} classes[] = {
    {"FloatDistribution", PARAM_FLOAT, 0},
    {"IntDistribution", PARAM_INT, 0},
    {"CategoricalDistribution", PARAM_CATEGORICAL, 0},
    {"UniformDistribution", PARAM_FLOAT, 0},
    {"LogUniformDistribution", PARAM_FLOAT, 1},
    {"DiscreteUniformDistribution", PARAM_FLOAT, 0},
    {"IntUniformDistribution", PARAM_INT, 0},
    {"IntLogUniformDistribution", PARAM_INT, 1},
    {"float", PARAM_FLOAT, 0},
    {"int", PARAM_INT, 0},
    {"categorical", PARAM_CATEGORICAL, 0},
};

/* The text of a choice, as a table shows it. */
static void choice_text(const cJSON *choice, char text[SPACE_NAME_MAX])
{
  if (cJSON_IsString(choice)) {
    text_escape(text, SPACE_NAME_MAX, choice->valuestring);
  } else if (cJSON_IsNumber(choice)) {
    number_format(choice->valuedouble, text, SPACE_NAME_MAX);
  } else {
    char *json = cJSON_PrintUnformatted(choice);
    text_escape(text, SPACE_NAME_MAX, json ? json : "?");
    cJSON_free(json);
  }
}

static int parse_choices(struct param *p, const cJSON *choices, struct error *e)
{
  int n = cJSON_IsArray(choices) ? cJSON_GetArraySize(choices) : 0;
  if (n < 1 || n > SPACE_CHOICES_MAX)
    return error_set(e, ERROR_FAILED, "'%s' has %d choices; 1 to %d can be read", p->name, n, SPACE_CHOICES_MAX);
  p->labels = calloc((size_t)n, sizeof *p->labels);
  p->numbers = calloc((size_t)n, sizeof *p->numbers);
  if (!p->labels || !p->numbers) return error_set(e, ERROR_MACHINE, "no memory for the choices of '%s'", p->name);
  bool ascending = true;
  const cJSON *choice;
  cJSON_ArrayForEach(choice, choices)
  {
    choice_text(choice, p->labels[p->n_choices]);
    p->numbers[p->n_choices] = choice->valuedouble;
    if (!cJSON_IsNumber(choice) || (p->n_choices && !(p->numbers[p->n_choices] > p->numbers[p->n_choices - 1])))
      ascending = false;
    p->n_choices++;
  }
  p->type = ascending ? PARAM_ORDINAL : PARAM_CATEGORICAL;
  if (!ascending) {
    free(p->numbers);
    p->numbers = NULL;
  }
  p->high = n - 1;
  return 0;
}

static int parse(struct param *p, const cJSON *json, struct error *e)
{
  const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, "name");
  const cJSON *attributes = cJSON_GetObjectItemCaseSensitive(json, "attributes");
  if (!name) {
    name = cJSON_GetObjectItemCaseSensitive(json, "type");
    attributes = json;
  }
  const char *class = cJSON_GetStringValue(name);
  size_t n = sizeof classes / sizeof *classes, i = 0;
  while (class && i < n && strcmp(class, classes[i].name) != 0) i++;
  if (!class || i == n) return error_set(e, ERROR_FAILED, "'%s' has a distribution of an unknown kind", p->name);
  p->type = classes[i].type;
  if (p->type == PARAM_CATEGORICAL) return parse_choices(p, cJSON_GetObjectItemCaseSensitive(attributes, "choices"), e);
  p->log = classes[i].log || cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(attributes, "log"));
  p->low = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(attributes, "low"));
  p->high = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(attributes, "high"));
  if (!isfinite(p->low) || !isfinite(p->high) || p->low > p->high)
    return error_set(e, ERROR_FAILED, "'%s' has a distribution without a range", p->name);
  p->default_value = p->low;
  return 0;
}

int store_distribution_parse(struct param *p, const char *name, const char *json, struct error *e)
{
  memset(p, 0, sizeof *p);
  if (strlen(name) >= sizeof p->name)
    return error_set(e, ERROR_FAILED, "a hyperparameter's name is longer than %d bytes: %s", SPACE_NAME_MAX - 1, name);
  strcpy(p->name, name);
  cJSON *parsed = cJSON_Parse(json);
  int code =
      parsed ? parse(p, parsed, e) : error_set(e, ERROR_FAILED, "'%s' has a distribution that is not JSON", name);
  cJSON_Delete(parsed);
  if (code) param_destroy(p);
  return code;
}

bool store_distribution_merge(struct param *into, const struct param *other)
{
  if (into->type != other->type || into->n_choices != other->n_choices) return false;
  for (int i = 0; i < into->n_choices; i++)
    if (strcmp(into->labels[i], other->labels[i]) != 0) return false;
  if (other->low < into->low) into->low = other->low;
  if (other->high > into->high) into->high = other->high;
  if (!into->n_choices) into->default_value = into->low;
  into->log = into->log && other->log;
  return true;
}
