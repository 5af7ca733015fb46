/* Requests and answers as text.  See command_protocol.h. */
#include "command_protocol.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_escape.h"

/* ---- the request ----------------------------------------------------------------------------------------------------------- */

/* A hyperparameter's value in the JSON type that it naturally has.  cJSON's own numbers may lose the last bit. */
static cJSON *value_json(const struct param *p, double value)
{
  char text[40];
  value = param_clamp(p, value);
  if (p->type == PARAM_CATEGORICAL) return cJSON_CreateString(p->labels[(int)value]);
  if (p->type == PARAM_INT)
    snprintf(text, sizeof text, "%.0f", value);
  else
    number_format(param_number(p, value), text, sizeof text - 2);
  if (p->type == PARAM_FLOAT && !strpbrk(text, ".e")) strcat(text, ".0");
  return cJSON_CreateRaw(text);
}

char *command_request(const struct space *s, const struct trial_spec *spec)
{
  char study[120], seed[24], *text = NULL;
  cJSON *request = cJSON_CreateObject(), *params = cJSON_CreateObject();
  snprintf(study, sizeof study, "%s/%d", spec->strategy, spec->round);
  snprintf(seed, sizeof seed, "%lu", (unsigned long)(spec->key >> 32));
  bool good = request && params && cJSON_AddNumberToObject(request, "trial", spec->number) &&
              cJSON_AddStringToObject(request, "study", study) && cJSON_AddRawToObject(request, "seed", seed);
  for (int i = 0; i < s->n && good; i++) {
    cJSON *value = value_json(&s->params[i], spec->values[i]);
    good = cJSON_AddItemToObject(params, s->params[i].name, value);
    if (!good) cJSON_Delete(value);
  }
  if (good && cJSON_AddItemToObject(request, "params", params)) {
    params = NULL;
    text = cJSON_PrintUnformatted(request);
  }
  cJSON_Delete(params);
  cJSON_Delete(request);
  size_t n = text ? strlen(text) : 0;
  char *line = text ? malloc(n + 2) : NULL;
  if (line) memcpy(line, text, n), memcpy(line + n, "\n", 2);
  cJSON_free(text);
  return line;
}

/* ---- the answer ------------------------------------------------------------------------------------------------------------ */

/* A line for a message: printable, cut. */
static const char *shown_line(char *out, size_t size, const char *line, size_t n)
{
  char bytes[200];
  if (n >= sizeof bytes) n = sizeof bytes - 1;
  memcpy(bytes, line, n);
  bytes[n] = 0;
  for (size_t i = 0; i < n; i++) /* a zero byte ends no message */
    if (!bytes[i]) bytes[i] = 1;
  return text_escape(out, size, bytes);
}

static void nonsense(struct answer *a, int number, const char *line, size_t n, const char *why)
{
  char shown[200];
  a->kind = ANSWER_NONSENSE;
  snprintf(a->reason, sizeof a->reason, "nonsense: line %d of its answer %s: %s", number, why,
           shown_line(shown, sizeof shown, line, n));
}

static void diverged(struct answer *a, double value)
{
  a->kind = ANSWER_DIVERGED;
  a->value = value;
  if (a->epoch > 0)
    snprintf(a->reason, sizeof a->reason, "diverged: the value of epoch %d is %g", a->epoch, value);
  else
    snprintf(a->reason, sizeof a->reason, "diverged: the value is %g", value);
}

/* Python's json and others write what JSON does not have; it stands where the parser stopped.  Puts a 0 there, so that the rest can be
 * understood. */
static bool not_finite(char *rest, double *value)
{
  static const struct {
    const char *text;
    double value;
  } words[] = {{"NaN", NAN}, {"nan", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    size_t n = strlen(words[i].text);
    if (strncmp(rest, words[i].text, n) != 0) continue;
    *value = words[i].value;
    memset(rest, ' ', n);
    *rest = '0';
    return true;
  }
  return false;
}

/* Takes up the members of an answer that is an object; NULL, or what is wrong with it. */
static const char *understand(struct answer *a, const cJSON *json, int epoch_before)
{
  const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, "value"),
              *fail = cJSON_GetObjectItemCaseSensitive(json, "fail"),
              *epoch = cJSON_GetObjectItemCaseSensitive(json, "epoch");
  if (!value && !fail) return "has neither \"value\" nor \"fail\"";
  if (value && fail) return "has both \"value\" and \"fail\"";
  if (fail && !cJSON_IsString(fail)) return "has a \"fail\" that is no text";
  if (value && !cJSON_IsNumber(value)) return "has a \"value\" that is no number";
  if (fail) {
    char why[REASON_MAX - 10];
    a->kind = ANSWER_FAIL;
    text_escape(why, sizeof why, fail->valuestring);
    snprintf(a->reason, sizeof a->reason, "failed: %s", why[0] ? why : "it did not say why");
    return NULL;
  }
  if (epoch) {
    double e = cJSON_GetNumberValue(epoch);
    if (!(e >= 1 && e <= COMMAND_EPOCH_MAX) || e != floor(e))
      return "has an \"epoch\" that is no whole number from 1 on";
    if (e <= epoch_before) return "has an \"epoch\" that was there already";
    a->epoch = (int)e;
  }
  a->kind = epoch ? ANSWER_EPOCH : ANSWER_VALUE;
  a->value = value->valuedouble;
  if (!isfinite(a->value)) diverged(a, a->value);
  return NULL;
}

void command_answer(const char *line, size_t n, int number, int epoch, struct answer *a)
{
  *a = (struct answer){.kind = ANSWER_BLANK};
  size_t blank = 0;
  while (blank < n && line[blank] && strchr(" \t\r", line[blank])) blank++;
  if (blank == n) return;
  char *text = malloc(n + 1);
  if (!text) {
    nonsense(a, number, line, n, "found no memory");
    return;
  }
  memcpy(text, line, n);
  text[n] = 0;
  const char *stopped = NULL, *wrong = NULL;
  double worst = 0;
  cJSON *json = NULL;
  if (!memchr(line, 0, n)) {
    do json = cJSON_ParseWithOpts(text, &stopped, 1);
    while (!json && stopped && not_finite(text + (stopped - text), &worst));
  }
  if (!json)
    wrong = "is no JSON";
  else if (!cJSON_IsObject(json))
    wrong = "is no JSON object ({...})";
  else
    wrong = understand(a, json, epoch);
  if (!isfinite(worst) && !wrong && a->kind != ANSWER_FAIL) diverged(a, worst);
  if (wrong) nonsense(a, number, line, n, wrong);
  cJSON_Delete(json);
  free(text);
}

/* ---- what it said beside --------------------------------------------------------------------------------------------------- */

void command_last_lines(const char *bytes, size_t n, char *out, size_t size)
{
  char lines[REASON_MAX] = "", one[REASON_MAX], joined[2 * REASON_MAX + 4];
  if (size > sizeof lines) size = sizeof lines;
  out[0] = 0;
  while (n > 0) {
    size_t end = n;
    while (n > 0 && bytes[n - 1] != '\n') n--;
    size_t begin = n;
    n -= n > 0; /* the newline before it */
    while (end > begin && strchr(" \t\r", bytes[end - 1])) end--;
    if (end == begin) continue;
    size_t length = end - begin < sizeof one - 1 ? end - begin : sizeof one - 1;
    char raw[REASON_MAX];
    memcpy(raw, bytes + begin, length);
    raw[length] = 0;
    text_escape(one, size, raw);
    snprintf(joined, sizeof joined, "%s%s%s", one, lines[0] ? " | " : "", lines);
    if (lines[0] && strlen(joined) >= size) break;
    memcpy(lines, joined, strlen(joined) + 1); /* shorter than size: so is `one` */
  }
  snprintf(out, size, "%s", lines);
}
