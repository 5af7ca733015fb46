/* Requests and answers as text.  See command_protocol.h. */
#include "host/objectives/command_protocol.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/base/text_escape.h"
#include "host/base/text_utf8.h"

/* Bytes that UTF-8 does not have, for numbers that JSON does not have. */
enum { MARK_NAN = (char)0xfd, MARK_INFINITY = (char)0xfe, MARK_MINUS_INFINITY = (char)0xff };

/* ---- the request ----------------------------------------------------------------------------- */

/* A hyperparameter's value in the JSON type that it naturally has.  cJSON's own numbers may lose
 * the last bit. */
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

void command_study_name(const struct trial_spec *spec, char study[COMMAND_STUDY_MAX])
{
  snprintf(study, COMMAND_STUDY_MAX, "%s/%d", spec->strategy, spec->round);
}

char *command_request(const struct space *s, const struct trial_spec *spec)
{
  char study[COMMAND_STUDY_MAX], seed[24], *text = NULL;
  cJSON *request = cJSON_CreateObject(), *params = cJSON_CreateObject();
  command_study_name(spec, study);
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

/* ---- the answer ------------------------------------------------------------------------------ */

static void nonsense(struct answer *a, int number, const char *line, size_t n, const char *why)
{
  char shown[200];
  a->kind = ANSWER_NONSENSE;
  text_format(a->reason, sizeof a->reason, "nonsense: line %d of its answer %s: %s", number, why,
              text_utf8(shown, sizeof shown, line, n));
}

static void diverged(struct answer *a)
{
  const char *value = isnan(a->value) ? "nan" : a->value > 0 ? "inf" : "-inf";
  a->kind = ANSWER_DIVERGED;
  if (a->epoch > 0)
    text_format(a->reason, sizeof a->reason, "diverged: the value of epoch %d is %s", a->epoch, value);
  else
    text_format(a->reason, sizeof a->reason, "diverged: the value is %s", value);
}

/* "(...)", what C may print behind nan; 0: no such thing. */
static size_t payload(const char *text)
{
  size_t n = 1;
  while (isalnum((unsigned char)text[n]) || text[n] == '_') n++;
  return text[n] == ')' ? n + 1 : 0;
}

/* JSON has no numbers that are not finite, but programs print them: NaN, -Infinity (Python,
 * JavaScript), inf, -nan (C), +Inf (Go), -nan(ind), nan(snan) (Windows).  Length of such a word at
 * `text`, 0 where there is none; *mark: what stands for it below. */
static size_t not_finite(const char *text, char *mark)
{
  static const char *const words[] = {"infinity", "inf", "nan"};
  size_t sign = *text == '-' || *text == '+';
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    size_t n = strlen(words[i]);
    if (strncasecmp(text + sign, words[i], n) != 0) continue;
    if (i > 1 && text[sign + n] == '(') n += payload(text + sign + n);
    if (isalnum((unsigned char)text[sign + n])) continue;
    *mark = i > 1 ? MARK_NAN : *text == '-' ? MARK_MINUS_INFINITY : MARK_INFINITY;
    return sign + n;
  }
  return 0;
}

/* Makes JSON of a line with such numbers: each becomes a text of one byte, which no well-formed
 * text has, of the same length. */
static void mark_not_finite(char *text)
{
  bool within = false; /* a text in quotes, or a word that has begun */
  for (char *c = text; *c; c++) {
    char mark;
    size_t n = within ? 0 : not_finite(c, &mark);
    if (n > 0) {
      memset(c, ' ', n);
      memcpy(c, (char[]){'"', mark, '"'}, 3);
      c += n - 1;
    } else if (*c == '"') {
      for (c++; *c && *c != '"'; c++) c += *c == '\\' && c[1];
      if (!*c) return;
      within = false;
    } else {
      within = isalnum((unsigned char)*c) || strchr("+-._", *c);
    }
  }
}

static bool is_marked(const cJSON *item)
{
  return cJSON_IsString(item) && (unsigned char)item->valuestring[0] >= (unsigned char)MARK_NAN &&
         !item->valuestring[1];
}

/* A number, finite or not. */
static bool get_number(const cJSON *item, double *value)
{
  *value = cJSON_IsNumber(item) ? item->valuedouble : NAN;
  if (is_marked(item) && item->valuestring[0] != MARK_NAN)
    *value = item->valuestring[0] == MARK_INFINITY ? INFINITY : -INFINITY;
  return cJSON_IsNumber(item) || is_marked(item);
}

/* Is it the answer to this trial?  NULL, or what is wrong. */
static const char *check_question(const cJSON *json, const struct question *q, char *why, size_t size)
{
  const cJSON *trial = cJSON_GetObjectItemCaseSensitive(json, "trial"),
              *study = cJSON_GetObjectItemCaseSensitive(json, "study");
  if (trial && !cJSON_IsNumber(trial)) return "has a \"trial\" that is no number";
  if (study && !cJSON_IsString(study)) return "has a \"study\" that is no text";
  if (trial && trial->valuedouble != q->trial)
    snprintf(why, size, "is for trial %.9g, but trial %d was asked", trial->valuedouble, q->trial);
  else if (study && strcmp(study->valuestring, q->study) != 0)
    snprintf(why, size, "is for another study than %.100s", q->study);
  else
    return NULL;
  return why;
}

/* Takes up the members of an answer that is an object; NULL, or what is wrong with it. */
static const char *understand(struct answer *a, const cJSON *json, int epoch_before)
{
  const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, "value"),
              *fail = cJSON_GetObjectItemCaseSensitive(json, "fail"),
              *epoch = cJSON_GetObjectItemCaseSensitive(json, "epoch");
  if (!value && !fail) return "has neither \"value\" nor \"fail\"";
  if (value && fail) return "has both \"value\" and \"fail\"";
  if (fail && (!cJSON_IsString(fail) || is_marked(fail))) return "has a \"fail\" that is no text";
  if (value && !get_number(value, &a->value)) return "has a \"value\" that is no number";
  if (fail) {
    char why[REASON_MAX - 10];
    a->kind = ANSWER_FAIL;
    text_utf8(why, sizeof why, fail->valuestring, strlen(fail->valuestring));
    text_format(a->reason, sizeof a->reason, "failed: %s", why[0] ? why : "it did not say why");
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
  if (!isfinite(a->value)) diverged(a);
  return NULL;
}

bool command_line_is_blank(const char *line, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (!line[i] || !strchr(" \t\r\n", line[i])) return false;
  return true;
}

void command_answer(const char *line, size_t n, const struct question *q, struct answer *a)
{
  char other[150];
  *a = (struct answer){.kind = ANSWER_BLANK};
  if (command_line_is_blank(line, n)) return;
  char *text = malloc(n + 1);
  if (!text) {
    nonsense(a, q->line, line, n, "found no memory");
    return;
  }
  memcpy(text, line, n);
  text[n] = 0;
  mark_not_finite(text);
  const char *wrong;
  cJSON *json = memchr(line, 0, n) ? NULL : cJSON_ParseWithOpts(text, NULL, 1);
  if (!json)
    wrong = "is no JSON";
  else if (!cJSON_IsObject(json))
    wrong = "is no JSON object ({...})";
  else if (!(wrong = check_question(json, q, other, sizeof other)))
    wrong = understand(a, json, q->epoch);
  if (wrong) nonsense(a, q->line, line, n, wrong);
  cJSON_Delete(json);
  free(text);
}

/* ---- what it said beside --------------------------------------------------------------------- */

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
    text_utf8(one, size, bytes + begin, end - begin);
    text_format(joined, sizeof joined, "%s%s%s", one, lines[0] ? " | " : "", lines);
    if (lines[0] && strlen(joined) >= size) break;
    memcpy(lines, joined, strlen(joined) + 1); /* shorter than size: so is `one` */
  }
  text_format(out, size, "%s", lines);
}
